"""A preference study: people rate the outputs of several methods in a browser, and a report says how sure it is."""
