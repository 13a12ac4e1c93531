"""Several recipes trained under equal conditions, and the table that compares them."""
