"""Word lists and learnt figures that signals read, packaged; each says where it comes from."""
