"""What a stack shows of its drains and messages: alerts and dashboards, made of one description of the metrics.

The description itself is the image's (`ebbtide_supervisor/metric_texts`), which serves the metrics and writes the
events. Here are the questions that are asked about them; how a cluster is given them is in `ebbtide.manifests`.
"""
