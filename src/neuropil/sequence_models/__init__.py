"""Networks that read or write sequences; `neuropil.models.create_model` builds them, too."""
