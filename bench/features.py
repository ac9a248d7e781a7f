"""What a part of Claviger costs: beside itself without a quota to pace by, with identical reads sent once, and as another build."""
from load import Load, rounds
from servers import Broken, say

QUOTA = 'quota         = { requests = 1000000, per = "1s" }\n'
ALONE = "coalesce = false"


def without(text, part, instead=""):
    if part not in text:
        raise Broken(f"the configuration has no {part.strip()!r} to take out")
    return text.replace(part, instead)


def start_other(bench, binary):
    """Another build as this one is started; without what it does not know, where it is from before that."""
    try:
        return bench.start_claviger("other-build", binary=binary)
    except Broken:
        return bench.start_claviger("other-build-of-old", lambda text: without(text, f"[limits]\n{ALONE}\n"), binary)


def run(bench, options, target, verify):
    """CPU per request; ratios to Claviger as it is measured beside the others."""
    variants = {
        "claviger": lambda text: text,
        "no quota": lambda text: without(text, QUOTA),
        "coalescing": lambda text: without(text, ALONE, "coalesce = true"),
    }
    starts = {name: lambda name=name, change=change: bench.start_claviger(name.replace(" ", "-"), change)
              for name, change in variants.items()}
    if options.beside:
        starts["other build"] = lambda: start_other(bench, options.beside)
    loads = {}
    for name, start in starts.items():
        server, port, _ = start()
        verify("claviger", port, target)
        loads[name] = Load(server, port, target)
    if options.verify_only:
        return None
    say("what a part costs: CPU per request beside Claviger as above")
    result = {}
    for connections in options.connections:
        # With several connections identical reads are fewer at the upstream: that is another measure.
        taking_part = {name: load for name, load in loads.items() if connections == 1 or name != "coalescing"}
        seen = rounds(taking_part, connections, options.rounds, options.seconds)
        base = seen["claviger"]["cpu_us"]
        for one in seen.values():
            one["ratio_cpu"] = one["cpu_us"] / base
        result[str(connections)] = seen
        say(f"{connections} connections: " + ", ".join(f"{name} {one['ratio_cpu']:.3f}" for name, one in seen.items()))
    for load in loads.values():
        bench.stop(load.server)
    return result
