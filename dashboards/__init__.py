"""What people look at: `web` is the staff board and its API. Dashboards read the alert
service's records and ingest's read side, and decide nothing.
"""
