"""Texts of messages. :mod:`monitor.alerting.messages.render` turns the data of a message into a `Message`.

The receivers lay it out, see their templates.
"""
