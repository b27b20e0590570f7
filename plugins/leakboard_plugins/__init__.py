"""Built-in datasets, victims, observers, distances, classifiers and named attacks."""
