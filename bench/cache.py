"""Answers that are kept: Claviger's cache beside nginx's proxy_cache, and each beside itself without."""
from load import Load, rounds
from servers import BODY, KEY, Broken, ask, say, wait_ready_authorized

RULE = '{ operation = "ListUsers", cache = "1h" }, { operation = "GetUser", cache = "1h" },'
ZONE = "proxy_cache_path @DIR@/nginx-cache keys_zone=kept:1m max_size=8m;"
KEPT = 'proxy_cache kept; proxy_cache_valid 200 1h; add_header Cache-Status "nginx; $upstream_cache_status";'


def verify(name, port, target):
    """The right answer, the second time from the cache, and nothing for who may not have it."""
    key = [f"Authorization: Bearer {KEY}"]
    for _ in range(2):
        status, head, body = ask(port, "GET", target, key)
        if status != 200 or body != BODY:
            raise Broken(f"{name}: GET {target} answered {status}: {body[:300]!r}")
    if "hit" not in head.lower():
        raise Broken(f"{name}: the second answer does not come from the cache:\n{head}")
    if name == "claviger" and ask(port, "GET", target, [f"Authorization: Bearer {KEY}x"])[0] != 401:
        raise Broken("claviger: a caller without the right key is given a kept answer")


def run(bench, options, target):
    """CPU per request of a hit; ratios to nginx's."""
    kept = lambda text: text.replace('  "GET /api/newer-than-the-catalog/{id}",\n',
                                     f'  {RULE}\n  "GET /api/newer-than-the-catalog/{{id}}",\n')
    server, port, _ = bench.start_claviger("claviger-cache", kept)
    peer, peer_port = bench.start_nginx("nginx-cache", ZONE=ZONE.replace("@DIR@", str(bench.directory)), KEPT=KEPT)
    wait_ready_authorized(peer, peer_port, KEY)
    loads = {"claviger": Load(server, port, target), "nginx": Load(peer, peer_port, target)}
    for name, load in loads.items():
        verify(name, load.port, target)
    if options.verify_only:
        return None
    say("answers from the cache: Claviger beside nginx with proxy_cache")
    result = {}
    for connections in options.connections:
        seen = rounds(loads, connections, options.rounds, options.seconds)
        ratio = seen["claviger"]["cpu_us"] / seen["nginx"]["cpu_us"]
        result[str(connections)] = {**seen, "ratio_cpu": ratio}
        say(f"{connections} connections: claviger {seen['claviger']['cpu_us']:.1f} µs, "
            f"nginx {seen['nginx']['cpu_us']:.1f} µs, ratio {ratio:.2f}")
    for load in loads.values():
        bench.stop(load.server)
    return result
