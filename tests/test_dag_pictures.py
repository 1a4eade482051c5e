"""Pictures of the workflow's graphs."""

import networkx

from simtailor.figures.dag import collapsed


def study(sets):
    """Return the graph of a study: assets, a set and a backbone each, and a database of all."""
    graph = networkx.DiGraph()
    graph.add_node("assets", lines=["prepare_assets"])
    graph.add_node("db", lines=["reward_db"])
    for number in range(sets):
        for rule in ("simulate_set", "pretrain"):
            graph.add_node(f"{rule}{number}", lines=[rule, f"set: {number}"])
        graph.add_edge("assets", f"simulate_set{number}")
        graph.add_edge(f"simulate_set{number}", f"pretrain{number}")
        graph.add_edge(f"pretrain{number}", "db")
    return graph


def test_many_jobs_of_a_rule_are_one_box_with_their_number():
    drawn = collapsed(study(16))
    lines = [drawn.nodes[node]["lines"] for node in networkx.topological_sort(drawn)]
    assert lines == [
        ["prepare_assets"], ["simulate_set", "16 jobs"], ["pretrain", "16 jobs"], ["reward_db"],
    ]  # fmt: skip
    assert drawn.number_of_edges() == 3


def test_a_few_jobs_keep_their_names():
    assert networkx.utils.graphs_equal(collapsed(study(3)), study(3))


def test_rounds_that_wait_for_each_other_stay_apart():
    graph = networkx.DiGraph()
    for number in range(6):
        graph.add_node(f"round{number}", lines=["propose_sets", f"round: {number}"])
        if number:
            graph.add_edge(f"round{number - 1}", f"round{number}")
    assert networkx.utils.graphs_equal(collapsed(graph), graph)
