"""What driftd.yaml may say, a file a part; `monitor.config` puts them together and `monitor.configfile` reads them."""
