"""A picture of a run: picture.py RESULT.json > picture.svg"""

import json
import sys

STYLE = """
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
  .small { font-size: 11px; fill: #59636e }
  .title { font-size: 15px; font-weight: 600 }
  .ours { fill: #d9480f } .other { fill: #868e96 } .line { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .ours { fill: #ff922b } .other { fill: #6e7681 } .line { stroke: #3d444d }
  }
"""
LABELS = {
    "full": "TLS 1.3 handshake + request", "resume": "resumed TLS 1.3 + request",
    "full-rsa": "TLS 1.3, RSA-2048 + request",
    "full-1.2": "TLS 1.2 handshake + request", "resume-1.2": "resumed TLS 1.2 + request",
    "keepalive": "request, kept connection", "bulk": "byte of a 1 MiB answer",
    "plain": "connection without TLS + request", "crowd": "full, beside 10,000 idle connections",
    "idle": "memory of an idle connection",
}


def svg(result):
    """The medians of a run as bars, each group drawn to the scale of its largest."""
    summary, base, units = result["summary"], result["base"], result.get("units", {})
    width, left, right, step = 760, 250, 150, 17
    y, rows = 62, []
    for case, peers_of in summary.items():
        known = {peer: row for peer, row in peers_of.items() if row["median"] is not None}
        if not known:
            continue
        rows.append(f'<text x="12" y="{y + 12}">{LABELS.get(case, case)}</text>')
        most = max(row["median"] for row in known.values())
        for peer, row in sorted(known.items(), key=lambda item: item[1]["median"]):
            length = row["median"] / most * (width - left - right)
            kind = "ours" if peer.startswith("sticky") else "other"
            digits = 1 if row["median"] >= 2 else 2
            ratio = f" ({row['ratio']:.2f} × {base})" if row["ratio"] and peer != base else ""
            rows.append(f'<text class="small" x="{left - 8}" y="{y + 12}" text-anchor="end">{peer}</text>'
                        f'<rect class="{kind}" x="{left}" y="{y + 2}" width="{length:.1f}" height="{step - 5}" rx="2"/>'
                        f'<text class="small" x="{left + length + 6:.1f}" y="{y + 12}">'
                        f'{row["median"]:.{digits}f} {units.get(case, "")}{ratio}</text>')
            y += step
        y += 10
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 30}" viewBox="0 0 {width} {y + 30}" '
            f'role="img" aria-label="Server CPU for a unit of work"><style>{STYLE}</style>'
            '<text class="title" x="12" y="24">Server CPU for a unit of work; shorter is better</text>'
            f'<text class="small" x="12" y="42">medians of {result["options"]["rounds"]} rounds, {result["time"][:10]}, '
            f'{result["machine"]["cpu"].strip()}; other processes used {result["others"]:.0%} of the machine</text>')
    return head + "\n".join(rows) + f'<line class="line" x1="12" x2="{width - 12}" y1="50" y2="50"/></svg>\n'


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: picture.py RESULT.json > picture.svg")
    with open(sys.argv[1]) as file:
        print(svg(json.load(file)), end="")
