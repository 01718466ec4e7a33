"""Files and folders of object stores, by fsspec: ``s3://``, ``gs://`` and others."""
