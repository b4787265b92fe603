"""Pods reach Google Cloud by their own identity, without a key."""

from __future__ import annotations

from tests.manifests.google.cases import STACKS
from tests.readable import readable

from ebbtide.manifests.stack import stack_resources

RESOURCES = {resource.name: readable(resource) for resource in stack_resources(STACKS["identities"])}


def test_a_role_is_granted_to_the_service_account_of_the_pods_itself():
    member = RESOURCES["githubevents-role.pubsub.subscriber"]
    assert member.properties == {
        "project": "acme-shop",
        "role": "roles/pubsub.subscriber",
        "member": "principal://iam.googleapis.com/projects/${getProject(acme-shop).number}/locations/global/"
        "workloadIdentityPools/acme-shop.svc.id.goog/subject/ns/consumers/sa/githubevents",
    }
    assert member.parent == "ebbtide:index:QueueConsumer::githubevents"


def test_roles_of_the_project_do_not_collide_with_those_of_google():
    names = [name for name in RESOURCES if name.startswith("githubevents-role.")]
    assert names == ["githubevents-role.pubsub.subscriber", "githubevents-role.projects.acme-shop.roles.invoices"]


def test_pods_may_act_as_a_google_service_account_and_nobody_else_may():
    binding = RESOURCES["githubevents-workload-identity"].properties
    assert binding == {
        "serviceAccountId": "projects/acme-shop/serviceAccounts/events@acme-shop.iam.gserviceaccount.com",
        "role": "roles/iam.workloadIdentityUser",
        "member": "serviceAccount:acme-shop.svc.id.goog[consumers/githubevents]",
    }
    annotations = RESOURCES["githubevents-service-account"].properties["metadata"]["annotations"]
    assert annotations["iam.gke.io/gcp-service-account"] == "events@acme-shop.iam.gserviceaccount.com"


def test_pods_start_when_their_roles_are_granted():
    deployment = RESOURCES["githubevents-deployment"]
    assert {key.rpartition("::")[2] for key in deployment.depends_on} == {
        "consumers-namespace",
        "githubevents-role.pubsub.subscriber",
        "githubevents-role.projects.acme-shop.roles.invoices",
        "githubevents-workload-identity",
    }
