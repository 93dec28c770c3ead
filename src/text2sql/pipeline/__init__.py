"""A whole experiment: configuration in, trained and scored model out. Joins the floors below; computes nothing."""
