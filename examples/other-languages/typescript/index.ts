// A whole stack from a Pulumi program in TypeScript: cluster, broker, consumers, alerts.

import * as ebbtide from "@pulumi/ebbtide";

const shop = new ebbtide.ConsumerStack("shop", {
  google: { project: "acme-production", region: "europe-west1" },
  // What a stack file of ebbtide's says, without the prefix `ebbtide:`.
  settings: {
    cluster: {
      kind: "gkeStandard",
      keda: { version: "2.20.2" },
      nodePools: { consumers: { machineType: "e2-standard-4", minNodes: 1, maxNodes: 6 } },
    },
    broker: { kind: "memorystoreValkey" },
    observability: { kind: "managedPrometheus" },
    consumers: {
      mail: {
        image: "europe-west1-docker.pkg.dev/acme-production/consumers/mail:1.0.0",
        worker: { kind: "symfonyMessenger", receivers: ["mail"], processes: 20, memoryLimit: "128M" },
        shutdown: { longestMessage: "60s" },
        transport: { kind: "redis", stream: "mail", redeliverTimeout: "90s", claimInterval: "15s", recover: true },
        autoscaling: { kind: "keda", minReplicas: 0, maxReplicas: 10 }, // follows the queue
      },
    },
  },
});

export const clusterName = shop.clusterName;
export const kubeconfig = shop.kubeconfig;
