"""A folder of media that stays searchable: what it holds is looked at again, and every file is accounted for."""

from chiasm.collection.collection import Collection, load, renew

__all__ = ["Collection", "load", "renew"]
