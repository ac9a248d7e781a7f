//! How Redis may lose what it was given, as far as it says.

use crate::redis::Redis;

pub(super) async fn concerns(redis: &Redis) -> Vec<String> {
    let info = async |section| {
        let ask = redis::cmd("INFO").arg(section).to_owned();
        redis.ask::<String>(&ask).await.unwrap_or_default()
    };
    let (persistence, memory) = (info("persistence").await, info("memory").await);
    let mut concerns = Vec::new();
    if persistence.lines().any(|line| line == "aof_enabled:0") {
        concerns.push(
            "Redis does not write each change to its disk (appendonly no): with its process the last credentials are gone. Set appendonly yes and appendfsync always".to_owned(),
        );
    }
    let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
    if let Some(policy) = policy.filter(|policy| policy.starts_with("allkeys-")) {
        concerns.push(format!(
            "Redis may throw the vault away when its memory is full (maxmemory-policy {policy}). Set noeviction or a volatile policy"
        ));
    }
    concerns
}
