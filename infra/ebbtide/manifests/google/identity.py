"""Who nodes and pods are towards Google Cloud: never the project's default service account."""

from __future__ import annotations

from typing import NamedTuple

from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Join, Lookup, Resource
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

# What Google lists as the least a node needs: logs, metrics, and its own metadata.
NODE_ROLE = "roles/container.defaultNodeServiceAccount"
SECRET_READER_ROLE = "roles/secretmanager.secretAccessor"  # noqa: S105 - a role
IMAGE_READER_ROLE = "roles/artifactregistry.reader"
WORKLOAD_IDENTITY_ROLE = "roles/iam.workloadIdentityUser"


def workload_pool(stack: StackSettings) -> str:
    """The project's Workload Identity pool."""
    return f"{names.google(stack).project}.svc.id.goog"


class NodeIdentity(NamedTuple):
    """Who the nodes are, in the order of making."""

    account: Resource
    node_role: Resource
    image_reader: Resource


def build_node_identity(stack: StackSettings, name: str, parent: str) -> NodeIdentity:
    """The nodes' service account and its roles."""
    project = names.google(stack).project
    account = Resource(
        token=names.SERVICE_ACCOUNT,
        name=f"{name}-node-service-account",
        parent=parent,
        delete_before_replace=True,
        properties={
            "accountId": names.node_account_id(stack),
            "project": project,
            "displayName": f"Nodes of {names.cluster_name(stack)}",
        },
    )
    member = Join(("serviceAccount:", account.ref("email")))
    node_role = Resource(
        token=names.PROJECT_MEMBER,
        name=f"{name}-node-role",
        parent=parent,
        properties={"project": project, "role": NODE_ROLE, "member": member},
    )
    if stack.image_repository is None:
        # The images are in a repository that is not of this stack: reading is granted for the project.
        reader = Resource(
            token=names.PROJECT_MEMBER,
            name=f"{name}-image-reader",
            parent=parent,
            properties={"project": project, "role": IMAGE_READER_ROLE, "member": member},
        )
    else:
        reader = Resource(
            token=names.REPOSITORY_MEMBER,
            name=f"{name}-image-reader",
            parent=parent,
            depends_on=(f"{names.REPOSITORY}::{stack.image_repository.name}-repository",),
            properties={
                "project": project,
                "location": names.google(stack).region,
                "repository": stack.image_repository.name,
                "role": IMAGE_READER_ROLE,
                "member": member,
            },
        )
    return NodeIdentity(account, node_role, reader)


def build_consumer_identity(
    stack: StackSettings, consumer: ConsumerSettings, name: str, parent: str
) -> tuple[Resource, ...]:
    """What lets a consumer's pods use its Google roles, or act as its Google service account, without a key."""
    account = consumer.service_account
    subject = (stack.namespace.name, consumer.service_account_name)
    members = [
        Resource(
            token=names.PROJECT_MEMBER,
            name=f"{name}-role.{role.removeprefix('roles/').replace('/', '.')}",
            parent=parent,
            properties={"project": names.google(stack).project, "role": role, "member": principal(stack, *subject)},
        )
        for role in account.google_roles
    ]
    if account.google_service_account is not None:
        email = account.google_service_account
        project = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
        members.append(
            Resource(
                token=names.SERVICE_ACCOUNT_MEMBER,
                name=f"{name}-workload-identity",
                parent=parent,
                properties={
                    "serviceAccountId": f"projects/{project}/serviceAccounts/{email}",
                    "role": WORKLOAD_IDENTITY_ROLE,
                    "member": f"serviceAccount:{workload_pool(stack)}[{subject[0]}/{subject[1]}]",
                },
            )
        )
    return tuple(members)


def principal(stack: StackSettings, namespace: str, service_account: str) -> Join:
    """The pods of one Kubernetes service account, as IAM names them. It wants the project's number."""
    project = names.google(stack).project
    number = Lookup(names.GET_PROJECT, (("projectId", project),), "number")
    pool = f"/locations/global/workloadIdentityPools/{workload_pool(stack)}"
    subject = f"/subject/ns/{namespace}/sa/{service_account}"
    return Join(("principal://iam.googleapis.com/projects/", number, pool + subject))
