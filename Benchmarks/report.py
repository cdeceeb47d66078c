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
            }
    return summary


def table(cases, summary, base):
    lines = [f"{'':16} {'':12} {'median':>10}      {'× ' + base:>7}  {'quartiles':13}  server/client busy"]
    for name, case in cases.items():
        lines.append(f"{name}: {case.what}")
        rows = summary.get(name, {})
        for peer in sorted(rows, key=lambda peer: rows[peer]["median"] or 1e99):
            row = rows[peer]
            if row["median"] is None:
                lines.append(f"{'':16} {peer:12} {'failed':>10}")
                continue
            digits = 1 if row["median"] >= 2 else 3
            line = f"{'':16} {peer:12} {row['median']:10.{digits}f} {case.unit:4}"
            line += f" {row['ratio']:6.2f}×" if row["ratio"] else " " * 8
            line += "  {:.2f}–{:.2f}    ".format(*row["quartiles"]) if row["quartiles"] else " " * 15
            if row["server_busy"] is not None and peer != "limit":
                line += f"  {row['server_busy']:4.0%} /{row['client_busy']:4.0%}"
            lines.append(line)
    return "\n".join(lines)


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
