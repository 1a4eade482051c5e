"""Pictures of the workflow: Snakemake's job graph and rule graph as SVG, without graphviz."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import networkx
import pydot
import yaml

from simtailor.files import staged

BOX_HEIGHT, LAYER_GAP, BOX_GAP, MARGIN = 46, 54, 26, 20
CHARACTER, LINE = 7.3, 16
BULGE = 45  # how far an edge that passes layers swings out, a layer
SWEEPS = 8
MOST_BOXES = 3  # of jobs of one rule, side by side
COLOURS = ("#E8F1FA", "#FCEBDD", "#E6F4EA", "#F6E8F3", "#FDF6D8", "#E9E9E9")


def draw_workflow(
    snakefile: str | Path,
    config: dict[str, Any],
    targets: Sequence[str],
    *,
    jobs: str | Path,
    rules: str | Path,
    mermaid: str | Path,
) -> None:
    """Ask Snakemake for the graphs of ``targets`` and write them as two SVG files and Mermaid."""
    write_svg(collapsed(parse_dot(_ask(snakefile, config, targets, "--dag", "dot"))), jobs)
    write_svg(parse_dot(_ask(snakefile, config, targets, "--rulegraph", "dot")), rules)
    text = _ask(snakefile, config, targets, "--rulegraph", "mermaid-js")
    with staged(mermaid) as staging:
        staging.write_text(text[text.index("---") :] if "---" in text else text)


def _ask(snakefile: str | Path, config: dict[str, Any], targets: Sequence[str], *what: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder) / "config.yaml"
        merged.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--forceall"]
        command += ["--nolock", "--quiet", "all", "--cores", "1", *what]
        command += ["--configfile", str(merged), "--", *targets]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"snakemake {' '.join(what)} failed:\n{finished.stderr}")
    return finished.stdout


def parse_dot(text: str) -> networkx.DiGraph:
    """Return the graph of Snakemake's DOT output; nodes carry ``lines`` of text."""
    dot = pydot.graph_from_dot_data(text[text.index("digraph") :])[0]
    graph = networkx.DiGraph()
    for node in dot.get_nodes():
        label = str(node.get("label") or "").strip('"')
        if label:
            graph.add_node(node.get_name(), lines=re.split(r"\\n|\n", label))
    for edge in dot.get_edges():
        graph.add_edge(edge.get_source(), edge.get_destination())
    return graph


def collapsed(graph: networkx.DiGraph) -> networkx.DiGraph:
    """Return the graph with many jobs of a rule that stand side by side as one box.

    Jobs of a rule that wait for each other stay apart, such as the rounds of a loop.
    """
    groups = defaultdict(list)
    for depth, layer in enumerate(networkx.topological_generations(graph)):
        for node in layer:
            groups[depth, graph.nodes[node]["lines"][0]].append(node)
    box_of, result = {}, networkx.DiGraph()
    for (_, rule), nodes in groups.items():
        if len(nodes) > MOST_BOXES:
            box_of |= dict.fromkeys(nodes, nodes[0])
            result.add_node(nodes[0], lines=[rule, f"{len(nodes)} jobs"])
        else:
            box_of |= {node: node for node in nodes}
            result.add_nodes_from((node, graph.nodes[node]) for node in nodes)
    result.add_edges_from((box_of[source], box_of[goal]) for source, goal in graph.edges)
    return result


def layered_layout(graph: networkx.DiGraph) -> list[list[str]]:
    """Return the nodes in layers from sources to targets, ordered so that few edges cross.

    Layers by longest path; within a layer by the barycentre of the neighbours (Sugiyama,
    Tagawa and Toda 1981).
    """
    layers = [sorted(layer) for layer in networkx.topological_generations(graph)]
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = graph.predecessors if downwards else graph.successors
        position = {n: i / max(len(la), 1) for la in layers for i, n in enumerate(la)}
        for layer in layers if downwards else reversed(layers):
            order = {
                n: sum(position[m] for m in near) / len(near) if near else position[n]
                for n in layer
                for near in [list(neighbours(n))]
            }
            layer.sort(key=lambda n: (order[n], n))
            position.update({n: i / max(len(layer), 1) for i, n in enumerate(layer)})
    return layers


def write_svg(graph: networkx.DiGraph, path: str | Path) -> None:
    """Write a graph as SVG: boxes in layers, the first on top."""
    layers = layered_layout(graph)
    texts = {n: graph.nodes[n].get("lines", [n]) for n in graph}
    width = {n: max(len(line) for line in texts[n]) * CHARACTER + 24 for n in graph}
    height = {n: BOX_HEIGHT + LINE * (len(texts[n]) - 2 if len(texts[n]) > 2 else 0) for n in graph}
    spans = [sum(width[n] for n in la) + BOX_GAP * (len(la) - 1) for la in layers]
    depth = {node: d for d, layer in enumerate(layers) for node in layer}
    longest = max((depth[b] - depth[a] for a, b in graph.edges), default=1)
    room_for_bulges = BULGE * longest if longest > 1 else 0
    total = max(spans, default=0) + 2 * MARGIN + 2 * room_for_bulges
    names = sorted({texts[n][0] for n in graph})
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    place, top = {}, float(MARGIN)
    for layer, span in zip(layers, spans, strict=True):
        left = (total - span) / 2
        for node in layer:
            place[node] = (left, top)
            left += width[node] + BOX_GAP
        top += max(height[n] for n in layer) + LAYER_GAP
    bottom = top - LAYER_GAP + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {bottom:.0f}" '
        f'width="{total:.0f}" height="{bottom:.0f}" font-family="sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for source, goal in graph.edges:
        if depth[goal] - depth[source] > 1:  # around the boxes in between, not behind them
            x1, y1 = place[source][0] + width[source], place[source][1] + height[source] / 2
            x2, y2 = place[goal][0] + width[goal], place[goal][1] + height[goal] / 2
            side = max(x1, x2) + BULGE * (depth[goal] - depth[source])
            parts.append(
                f'<path d="M{x1:.1f} {y1:.1f}C{side:.1f} {y1:.1f} {side:.1f} {y2:.1f} '
                f'{x2:.1f} {y2:.1f}" fill="none" stroke="#999" marker-end="url(#tip)"/>'
            )
            continue
        x1, y1 = place[source][0] + width[source] / 2, place[source][1] + height[source]
        x2, y2 = place[goal][0] + width[goal] / 2, place[goal][1]
        bend = (y2 - y1) / 2
        parts.append(
            f'<path d="M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} '
            f'{x2:.1f} {y2:.1f}" fill="none" stroke="#999" marker-end="url(#tip)"/>'
        )
    for node in graph:
        left, top = place[node]
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width[node]:.1f}" '
            f'height="{height[node]}" rx="8" fill="{colour[texts[node][0]]}" stroke="#666"/>'
        )
        begin = top + height[node] / 2 - LINE * (len(texts[node]) - 1) / 2 + 4.5
        for i, line in enumerate(texts[node]):
            weight = ' font-weight="bold"' if i == 0 else ' fill="#444"'
            parts.append(
                f'<text x="{left + width[node] / 2:.1f}" y="{begin + i * LINE:.1f}" '
                f'text-anchor="middle"{weight}>{escape(line)}</text>'
            )
    with staged(path) as staging:
        staging.write_text("\n".join([*parts, "</svg>"]) + "\n")
