"""A folder of media that stays searchable: what it holds is looked at again, and every file is accounted for."""

from chiasm.collection._taught import LONGEST_NAME
from chiasm.collection.collection import Collection, load, renew

__all__ = ["LONGEST_NAME", "Collection", "load", "renew"]
