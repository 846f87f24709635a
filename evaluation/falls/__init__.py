"""``wardlight evaluate falls``: recorded falls and daily life through the gateway of a home.

`hearing` plays trials on simulated wearables to the gateway itself, on a virtual clock; what it
publishes is `scoring`'s evidence. Labels are looked at only there. `output` and `page` say it to
programs and to people.
"""

from evaluation.falls.evaluation import Asked, Evaluation, NothingToPlayError, evaluate, write_pages
from evaluation.falls.hearing import Heard, Said, hear
from evaluation.falls.output import detection_lines, figures_json, table
from evaluation.falls.stress import Stress

__all__ = [
    "Asked",
    "Evaluation",
    "Heard",
    "NothingToPlayError",
    "Said",
    "Stress",
    "detection_lines",
    "evaluate",
    "figures_json",
    "hear",
    "table",
    "write_pages",
]
