"""What a search found: the list, the layers on the map, the reviews, earlier searches and the export."""

from qgis_mpsclip.results.paths import results_path
from qgis_mpsclip.results.request import SearchRequest
from qgis_mpsclip.results.view import ResultsPanel

__all__ = ["ResultsPanel", "SearchRequest", "results_path"]
