//! What `claviger check` and `claviger serve` say of the addresses to listen on.

use super::{Files, offline};
use crate::support::{
    Settings, claviger,
    command::{finish, program},
    quoted,
};

fn usual() -> Settings {
    offline().set("tenants.acme.client_secret", "'0123456789abcdef'")
}

#[tokio::test]
async fn check_says_where_port_0_leads_and_which_address_is_not_of_this_machine() {
    let files = Files::new();
    let free = claviger(&["check", "--config", &files.with(&usual())]).await;
    for key in ["listen.proxy", "listen.admin"] {
        let note = format!(
            "  {key} has port 0: claviger serve takes a free port at each start, and says which in the line `ready` of its log and in its \
             --ready-file\n"
        );
        assert!(free.assert_code(0).stdout.contains(&note), "{free:?}");
    }
    let status = claviger(&["status", "--config", &files.with(&usual())]).await;
    let says = "127.0.0.1:0: claviger serve took a free port when it started: write --address with the one in the line `ready` of its log";
    assert!(status.stderr.contains(says), "{status:?}");

    // RFC 5737: nobody has it.
    let foreign = usual().set("listen.proxy", "['127.0.0.1:3600', '192.0.2.7:3600']");
    let config = files.with(&foreign.set("listen.admin", "'127.0.0.1:3601'"));
    let said = claviger(&["check", "--config", &config]).await;
    let warning = ": listen.proxy: this machine does not have the address 192.0.2.7, and claviger serve would not start here. Write one that \
                   it has, or \"0.0.0.0:3600\" for all of them.\n";
    assert!(said.assert_code(0).stderr.contains(warning), "{said:?}");
    assert!(!said.stdout.contains("port 0"), "{said:?}");
}

/// As `nobody`, where the tests run as root.
#[tokio::test]
async fn check_finds_ports_and_directories_that_this_user_may_not_have() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let files = Files::new();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(files.0.path(), open).expect("it is ours");
    let there = files.0.path().display().to_string();
    let settings = usual().set("listen.proxy", "['127.0.0.1:443']");
    let config = files.with(&settings.set("listen.admin", quoted(format!("unix:{there}/admin.sock"))));
    let mut command = program();
    command.args(["check", "--config", &config]).uid(65534).gid(65534);
    let said = finish(&mut command).await;
    let directory = format!(
        ": listen.admin: user 65534, who runs this, may make no socket in {there}, and claviger serve would not start as this user. Let it \
         write to that directory, or write another one.\n"
    );
    assert!(said.assert_code(0).stderr.contains(&directory), "{said:?}");
    let least = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    let port = ": listen.proxy: user 65534, who runs this, may not listen on port 443, and claviger serve would not start as this user. Write \
                a port above 1023, or give claviger serve the capability CAP_NET_BIND_SERVICE.\n";
    let is_privileged = least.trim().parse().is_ok_and(|least: u32| least > 443);
    assert_eq!(said.stderr.contains(port), is_privileged, "{said:?}");
}
