"""From measurements to a table."""

import os
import platform
import shutil
import statistics
import subprocess

import peers


def summarize(values, base):
    """For each case and peer: the median, and the median and quartiles of the ratios to `base` in the same round."""
    summary = {}
    for name, by_peer in values.items():
        for peer, row in by_peer.items():
            good = [one["value"] for one in row if one]
            ratios = [one["value"] / other["value"] for one, other in zip(row, by_peer.get(base, [])) if one and other]
            busy = [(one["server_busy"], one["client_busy"]) for one in row if one and "server_busy" in one]
            summary.setdefault(name, {})[peer] = {
                "median": statistics.median(good) if good else None,
                "ratio": statistics.median(ratios) if ratios else None,
                "quartiles": statistics.quantiles(ratios, n=4, method="inclusive")[::2] if len(ratios) > 1 else None,
                "rounds": len(good),
                "server_busy": statistics.median(b[0] for b in busy) if busy else None,
                "client_busy": statistics.median(b[1] for b in busy) if busy else None,
                "failed": len(row) - len(good),
                "suites": sorted({one["client"]["tls"] for one in row if one and "client" in one}),
            }
    return summary


def failures(values):
    """What did not work, in words. A median over the other rounds must not hide it."""
    return [f"{name}, {peer}: {row.count(None)} of {len(row)} rounds failed"
            for name, by_peer in values.items() for peer, row in by_peer.items() if None in row]


def table(cases, summary, base):
    lines = [f"{'':16} {'':22} {'median':>10}      {'× ' + base:>7}  {'quartiles':13}  server/client busy"]
    for name, case in cases.items():
        lines.append(f"{name}: {case.what}")
        rows = summary.get(name, {})
        for peer in sorted(rows, key=lambda peer: rows[peer]["median"] or 1e99):
            row = rows[peer]
            if row["median"] is None:
                lines.append(f"{'':16} {peer:22} {'failed':>10}")
                continue
            digits = 1 if row["median"] >= 2 else 3
            line = f"{'':16} {peer:22} {row['median']:10.{digits}f} {case.unit:4}"
            line += f" {row['ratio']:6.2f}×" if row["ratio"] else " " * 8
            line += "  {:.2f}–{:.2f}    ".format(*row["quartiles"]) if row["quartiles"] else " " * 15
            if row["server_busy"] is not None and peer != "limit":
                line += f"  {row['server_busy']:4.0%} /{row['client_busy']:4.0%}"
            if row["failed"]:
                line += f"  {row['failed']} rounds failed"
            lines.append(line)
        suites = {suite for peer, row in rows.items() if peer != "limit" for suite in row["suites"]}
        if len(suites) > 1:
            lines.append(f"{'':16} not the same suite: " + ", ".join(sorted(suites)))
    return "\n".join(lines)


# --- Two peers, or two measurements of one, in the same round

HAND_OFF = [("sticky", "sticky-kernel"), ("sticky-schedule", "sticky-kernel-schedule")]
MANY_WORKERS = [("sticky-32-workers", "sticky"), ("nginx-32-workers", "nginx-2-workers")]


def compare(values):
    """Comparisons that have a goal of their own, as far as their peers and cases were measured."""
    def both(case, one, other):
        row = values.get(case, {})
        return [pair for pair in zip(row.get(one, []), row.get(other, [])) if all(pair)]

    found = []
    for one, other in HAND_OFF:
        title = f"added by the hand-off ({one} − {other})"
        for case, what in (("full", "CPU of a TLS connection"), ("plain", "CPU of a connection without TLS")):
            pairs = both(case, one, other)
            found.append(spread(title, what, [a["value"] - b["value"] for a, b in pairs], "µs"))
        for case, what in (("connect-latency", "ServerHello"), ("plain-latency", "answer without TLS")):
            pairs = [(a["client"]["hello_us"], b["client"]["hello_us"]) for a, b in both(case, one, other)]
            for quantile in ("p50", "p99"):
                differences = [a[quantile] - b[quantile] for a, b in pairs]
                found.append(spread(title, f"{quantile} until {what}", differences, "µs"))
            # At a rate that leaves the server idle between connections nothing comes in batches.
            differences = [each_cpu(a) - each_cpu(b) for a, b in both(case, one, other)]
            found.append(spread(title, f"CPU of a connection, {case}", differences, "µs"))
    for one, other in MANY_WORKERS:
        for case in ("full", "two-full", "keepalive", "two-keepalive", "plain", "plain-keepalive"):
            ratios = [a["value"] / b["value"] for a, b in both(case, one, other)]
            found.append(spread(f"{one} / {other}", f"CPU, {case}", ratios, "×"))
    for peer, row in values.get("crowd", {}).items():
        found.append(spread("beside a crowd / beside 10 idle connections", f"CPU of a TLS connection, {peer}",
                            [one["value"] / one["without"] for one in row if one], "×"))
    return [one for one in found if one]


def each_cpu(one):
    """Microseconds of the server's CPU for an operation, also where a latency was measured."""
    return one["server_busy"] * one["client"]["seconds"] / one["client"]["operations"] * 1e6


def spread(title, what, numbers, unit):
    if not numbers:
        return None
    median, digits = statistics.median(numbers), 2 if unit == "×" else 1
    text = f"{title}: {what}: {median:.{digits}f} {unit}"
    quartiles = statistics.quantiles(numbers, n=4, method="inclusive")[::2] if len(numbers) > 1 else None
    if quartiles:
        text += " ({:.{d}f} to {:.{d}f})".format(*quartiles, d=digits)
    return {"text": text, "what": f"{title}: {what}", "median": median, "quartiles": quartiles, "unit": unit}


def strangers(values):
    """The share of the two cores that other processes used, over all measurements."""
    shares = [one["others"] for by_peer in values.values() for row in by_peer.values() for one in row
              if one and "others" in one]
    return statistics.mean(shares) if shares else 0


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    versions = {}
    for name, command in {"openssl": ["openssl", "version"], "nginx": [peers.program("nginx"), "-v"]}.items():
        if command[0] and shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True)
            versions[name] = (done.stdout + done.stderr).strip()
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), **versions}
