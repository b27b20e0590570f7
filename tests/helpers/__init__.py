"""What several test files share: small victims, stores, grids and folders, made where they are needed."""
