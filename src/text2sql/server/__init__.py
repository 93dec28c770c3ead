"""The server: a page, a JSON API, an OpenAI-compatible API and an MCP server that ask databases.

`app.create_app(settings)` makes the web application, `settings.Settings` says what it may do. Importing this package
needs no extra; the modules that serve do (`pip install -e ".[serve]"`).
"""
