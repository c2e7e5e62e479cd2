"""Reads the artifacts of a target folder with dbt-artifacts-parser, whose models refuse unknown keys."""

import json
import sys
from pathlib import Path

from dbt_artifacts_parser.parsers.catalog.catalog_v1 import CatalogV1
from dbt_artifacts_parser.parsers.manifest.manifest_v12 import ManifestV12
from dbt_artifacts_parser.parsers.run_results.run_results_v6 import RunResultsV6
from dbt_artifacts_parser.parsers.sources.sources_v3 import SourcesV3

MODELS = {"manifest.json": ManifestV12, "run_results.json": RunResultsV6, "catalog.json": CatalogV1, "sources.json": SourcesV3}

read = {}
for name, model in MODELS.items():
    file = Path(sys.argv[1]) / name
    if file.exists():
        model.model_validate_json(file.read_text(), strict=True)
        read[name] = len(file.read_text())
print(json.dumps(read))
