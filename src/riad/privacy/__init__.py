"""Personal data: found in text, classified, masked before a crossing, restored in the answer.

A pure core: no I/O beyond the data it is packaged with, no state between calls. ``scan``, ``mask``, ``restore`` and
``language`` are what an application needs; the gateway uses ``scan_many`` over the texts of ``walk.texts``, one
``Masker`` a request and one ``Restorer`` a stream.
"""

from riad.privacy.finding import Finding, categories, persons_class
from riad.privacy.language import Segment, language, languages
from riad.privacy.mask import Masked, Masker, mask
from riad.privacy.restore import Restorer, restore
from riad.privacy.scan import scan, scan_many

__all__ = [
    "Finding",
    "Masked",
    "Masker",
    "Restorer",
    "Segment",
    "categories",
    "language",
    "languages",
    "mask",
    "persons_class",
    "restore",
    "scan",
    "scan_many",
]
