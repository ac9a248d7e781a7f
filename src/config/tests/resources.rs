//! API resources of a tenant beside the Management API.

use super::*;

fn with(resources: &str) -> Bench {
    let id = "client_id = \"app\"";
    let text = GOOD.replacen(id, &format!("resources = {resources}\n{id}"), 1);
    Bench::new().with("c.toml", text).env("S", "secret")
}

#[test]
fn a_resource_is_text_or_comes_with_its_scopes() {
    let shop = Resource { resource: "https://shop.example".into(), scopes: Vec::new() };
    let read = Resource { scopes: vec!["read".into()], ..shop.clone() };
    for (written, want) in [
        ("\"https://shop.example\"", &shop),
        ("[\"https://shop.example\"]", &shop),
        ("{ resource = \"https://shop.example\", scopes = [] }", &shop),
        ("[{ resource = \"https://shop.example\", scopes = [\"read\"] }]", &read),
    ] {
        assert_eq!(with(written).config().tenants[0].resources, std::slice::from_ref(want), "{written}");
    }
}

#[test]
fn what_is_no_further_resource_is_said() {
    for (written, want) in [
        (
            "[\"https://shop.example/\"]",
            "c.toml:3: tenants.acme.resources[0]: Logto refuses a resource with a slash at its end. Write \"https://shop.example\".",
        ),
        (
            "[\"https://acme.logto.app/api\"]",
            "c.toml:3: tenants.acme.resources[0]: \"https://acme.logto.app/api\" is the tenant's `resource` already. Take it out: tokens for it are handed out by default.",
        ),
        (
            "[\"https://a.example\", { resource = \"https://a.example\" }]",
            "c.toml:3: tenants.acme.resources[1]: \"https://a.example\" is there twice. Write it once, with all scopes that are wanted.",
        ),
        (
            "[{ scopes = \"read\" }]",
            "c.toml:3: tenants.acme.resources[0].resource: there is no API identifier. Copy the API identifier from the Logto Console.",
        ),
    ] {
        assert_eq!(with(written).problems(), [want], "{written}");
    }
}
