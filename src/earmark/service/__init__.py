"""The HTTP service, and the web page. Needs `earmark[serve]`, but not torch.

:func:`earmark.service.app.create_app` makes the application, :func:`earmark.service.server.serve` runs it.
"""
