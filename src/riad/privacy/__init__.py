"""Personal data: found in text, classified, masked before a crossing, restored in the answer.

A pure core: no I/O beyond the data it is packaged with, no state between calls. The gateway uses ``scan_many`` over the
texts of ``walk.texts``, one ``Masker`` a request and one ``Restorer`` a stream.
"""

from riad.privacy.finding import Finding, categories, persons_class
from riad.privacy.mask import Masker
from riad.privacy.restore import Restorer, restore
from riad.privacy.scan import scan, scan_many

__all__ = ["Finding", "Masker", "Restorer", "categories", "persons_class", "restore", "scan", "scan_many"]
