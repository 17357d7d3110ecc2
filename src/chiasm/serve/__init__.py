"""The search server: a collection or a model over HTTP, with a page. Needs `pip install 'chiasm[serve]'`."""
