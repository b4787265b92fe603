"""The program of ../cdk8s-node in Python: every call goes through jsii to the same library in a Node.js process."""

import sys

import cdk8s_plus_33 as kplus
from cdk8s import App, Chart, Duration, Size

app = App(outdir=sys.argv[1] if len(sys.argv) > 1 else "dist")
chart = Chart(app, "githubevents")
deployment = kplus.Deployment(
    chart,
    "githubevents",
    termination_grace_period=Duration.seconds(230),
    security_context=kplus.PodSecurityContextProps(ensure_non_root=True, user=10001, group=10001),
    containers=[
        kplus.ContainerProps(
            name="consumer",
            image="registry.example/consumers/githubevents:1.0.0",
            args=["php", "bin/console", "messenger:consume", "githubevents"],
            env_variables={"APP_ENV": kplus.EnvValue.from_value("prod")},
            lifecycle=kplus.ContainerLifecycle(pre_stop=kplus.Handler.from_command(["/opt/ebbtide/drain"])),
            liveness=kplus.Probe.from_command(["/opt/ebbtide/healthcheck", "liveness"]),
            resources=kplus.ContainerResources(
                cpu=kplus.CpuResources(request=kplus.Cpu.millis(490)),
                memory=kplus.MemoryResources(request=Size.mebibytes(6500)),
            ),
        )
    ],
)
kplus.HorizontalPodAutoscaler(
    chart,
    "hpa",
    target=deployment,
    min_replicas=1,
    max_replicas=5,
    metrics=[kplus.Metric.resource_cpu(kplus.MetricTarget.average_utilization(60))],
)
app.synth()
