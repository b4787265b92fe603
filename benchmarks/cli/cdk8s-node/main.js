// The Deployment and the HorizontalPodAutoscaler of githubevents, as a cdk8s-plus program synthesises them.
const { App, Chart, Duration, Size } = require('cdk8s');
const kplus = require('cdk8s-plus-32');

const app = new App({ outdir: process.argv[2] || 'dist' });
const chart = new Chart(app, 'githubevents');
const deployment = new kplus.Deployment(chart, 'githubevents', {
  terminationGracePeriod: Duration.seconds(230),
  securityContext: { ensureNonRoot: true, user: 10001, group: 10001 },
  containers: [
    {
      name: 'consumer',
      image: 'registry.example/consumers/githubevents:1.0.0',
      args: ['php', 'bin/console', 'messenger:consume', 'githubevents'],
      envVariables: { APP_ENV: kplus.EnvValue.fromValue('prod') },
      lifecycle: { preStop: kplus.Handler.fromCommand(['/opt/ebbtide/drain']) },
      liveness: kplus.Probe.fromCommand(['/opt/ebbtide/healthcheck', 'liveness']),
      resources: { cpu: { request: kplus.Cpu.millis(490) }, memory: { request: Size.mebibytes(6500) } },
    },
  ],
});
new kplus.HorizontalPodAutoscaler(chart, 'hpa', {
  target: deployment,
  minReplicas: 1,
  maxReplicas: 5,
  metrics: [kplus.Metric.resourceCpu(kplus.MetricTarget.averageUtilization(60))],
});
app.synth();
