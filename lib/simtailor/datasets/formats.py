"""The formats that data sets are exported to.

Imports nothing heavy: the workflow uses it while it plans.
"""

# Adding one: its name here, and its function in ``exporting``.
FORMATS = ("coco", "yolo")
