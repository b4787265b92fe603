"""A consumer in a Pulumi program of your own: your cluster, your provider, ebbtide's consumer."""

import pulumi
import pulumi_kubernetes as kubernetes

from ebbtide import ConsumerNamespace, QueueConsumer, StackSettings

stack = StackSettings.model_validate(pulumi.Config("shop").require_object("queues"))
cluster = kubernetes.Provider(
    "cluster", cluster_identifier="shop", kubeconfig=pulumi.Config("shop").require_secret("kubeconfig")
)
in_cluster = pulumi.ResourceOptions(provider=cluster)
namespace = ConsumerNamespace("queues", {"settings": stack}, in_cluster)
for name in stack.consumers:
    QueueConsumer(name, {"settings": stack, "namespace": namespace}, in_cluster)
