"""A second reading of the safety table, from its printed form alone."""
