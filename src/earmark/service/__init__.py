"""Tags over HTTP: a service for programs, and the page for people. Needs `earmark[serve]`, and no torch.

:func:`earmark.service.app.create_app` makes the application, :func:`earmark.service.server.serve` runs it.
"""
