"""Making cases, fuzz targets, comparing, campaigns, minimising, the command line."""
