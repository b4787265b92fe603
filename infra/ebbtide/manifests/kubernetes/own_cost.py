"""The right of a pod to say what its own deletion costs, and nothing else.

RBAC cannot say "only its own pod", since no role knows names of pods that are still to come: with the role alone, a
pod could write every pod of its namespace, images included. The admission policy takes that away again: a token that is
bound to a pod carries that pod's uid, and only the one annotation of that pod may differ afterwards.
"""

from __future__ import annotations

from ebbtide.manifests.kubernetes.labels import Manifest, consumer_labels, consumer_metadata
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.image_contract import DELETION_COST

_OWN_POD = (
    "request.userInfo.?extra['authentication.kubernetes.io/pod-uid'].orValue([]) == [object.metadata.uid]",
    "a pod may only say what its own deletion costs",
)
_KEPT = "variables.new.all(k, k == variables.key || (k in variables.old && variables.old[k] == variables.new[k]))"
_NONE_GONE = "variables.old.all(k, k == variables.key || k in variables.new)"
_ONE_ANNOTATION = (f"{_KEPT} && {_NONE_GONE}", f"a pod may only write its annotation {DELETION_COST}")
_NOTHING_ELSE = (
    " && ".join(
        [
            "object.spec == oldObject.spec",
            *(
                f"object.metadata.?{field} == oldObject.metadata.?{field}"
                for field in ("labels", "finalizers", "ownerReferences")
            ),
        ]
    ),
    f"a pod may change nothing of itself but its annotation {DELETION_COST}",
)


def build_own_cost(stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """The policy, its binding, and only then the role and its binding. Nothing where nobody asks for it.

    The policy belongs to the whole cluster, so its name has the namespace's in it; whoever deploys needs the right to
    make one.
    """
    if consumer.shutdown.idle_first is None:
        return ()
    name = f"ebbtide.{stack.namespace.name}.{consumer.name}.own-deletion-cost"
    metadata = {"name": name, "labels": consumer_labels(stack, consumer)}
    policy: Manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata,
        "spec": {
            # A policy that cannot be evaluated refuses: what is lost then is an order of deletion.
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["UPDATE"]}
                ]
            },
            "matchConditions": [
                {"name": "its-pods", "expression": f"request.userInfo.username == '{_user(stack, consumer)}'"}
            ],
            "variables": [
                {"name": "key", "expression": f"'{DELETION_COST}'"},
                {"name": "new", "expression": "object.metadata.?annotations.orValue({})"},
                {"name": "old", "expression": "oldObject.metadata.?annotations.orValue({})"},
            ],
            "validations": [
                {"expression": expression, "message": message}
                for expression, message in (_OWN_POD, _ONE_ANNOTATION, _NOTHING_ELSE)
            ],
        },
    }
    policy_binding: Manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name, "labels": consumer_labels(stack, consumer)},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    role: Manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": consumer_metadata(stack, consumer),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]}],
    }
    subject = {"kind": "ServiceAccount", "name": consumer.service_account_name, "namespace": stack.namespace.name}
    role_binding: Manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": consumer_metadata(stack, consumer),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": consumer.name},
        "subjects": [subject],
    }
    return policy, policy_binding, role, role_binding


def _user(stack: StackSettings, consumer: ConsumerSettings) -> str:
    return f"system:serviceaccount:{stack.namespace.name}:{consumer.service_account_name}"
