"""The API as an OpenAPI 3.1 document.

In: the path below which the server is. Out: the document, a dict.
"""

from __future__ import annotations

from typing import Any

import fashret
from fashret.options import PRODUCTS


def document(root: str = "") -> dict[str, Any]:
    """The whole document."""
    search = [
        _query("top_k", "How many results", {"type": "integer", "minimum": 1, "maximum": 200, "default": PRODUCTS}),
        _query("where", "A condition such as `price < 50`; repeat it for several", _many()),
        _query("results", "Products, each by its nearest photo, or photos", {"enum": ["products", "photos"]}),
        _query("box", "The garment: x1,y1,x2,y2 in pixels of the upright photo", {"type": "string"}),
        _query("garment", "Number or category of a garment that the detector finds", {"type": "string"}),
    ]
    listing = [search[1], _query("skip", "Products to leave out", {"type": "integer"}), search[0]]
    name = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    row = {"name": "row", "in": "path", "required": True, "schema": {"type": "integer"}}
    hits = {"hits": _list("Hit"), "took": {"type": "object", "additionalProperties": {"type": "number"}}}
    about = {"catalogue": {"type": "object"}, "model": {"type": "object"}}
    box = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
    paths = {
        "/api/search": _post("The products that a photo shows", search, {**about, "box": box, **hits}, vector=True),
        "/api/detect": _post("The garments of a photo", [], {"garments": _list("Garment"), "width": {}, "height": {}}),
        "/api/catalogue": _get("What there is to search, and what by", [], about),
        "/api/products": _get("Products in the order of the catalogue", listing, {"products": _list("Product")}),
        "/api/products/{id}": _get("One product and its photos", [name], {"photos": _list("Product")}),
        "/api/products/{id}/similar": _get("Other products like one", [name, *search[:2]], {**about, **hits}),
        "/api/rows/{row}/similar": _get("Other products like one photo", [row, *search[:2]], {**about, **hits}),
        "/photos/{row}": _picture([row, _query("w", "Longer side in pixels", {"type": "integer"})]),
        "/health": _get("The server can answer", [], {"status": {"const": "ok"}}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "fashret", "version": fashret.__version__, "summary": "Street-to-shop fashion retrieval"},
        "servers": [{"url": root or "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _schemas() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    product = {
        "product": text,
        "photo": {"type": "string"},
        "row": {"type": "integer"},
        "picture": text,
        "category": text,
        "columns": {"type": "object"},
    }
    error = {"status": {"type": "integer"}, "code": {"type": "string"}, "message": {"type": "string"}}
    garment = {"number": {"type": "integer"}, "category": text, "label": text, "score": {"type": "number"}, "box": {}}
    return {
        "Product": _object(product),
        "Hit": _object({"rank": {"type": "integer"}, "distance": {"type": "number"}, **product}),
        "Garment": _object(garment),
        "Error": _object({"error": _object(error)}),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _many() -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}}


def _query(name: str, about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _answers(content: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": "The answer", "content": content},
        "default": {"description": "An error", "content": error},
    }


def _get(summary: str, parameters: list[Any], properties: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": _object(properties)}}
    return {"get": {"summary": summary, "parameters": parameters, "responses": _answers(content)}}


def _picture(parameters: list[Any]) -> dict[str, Any]:
    responses = _answers({"image/jpeg": {}})
    return {"get": {"summary": "A row's picture", "parameters": parameters, "responses": responses}}


def _post(summary: str, parameters: list[Any], answer: dict[str, Any], vector: bool = False) -> dict[str, Any]:
    photo = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {
        "image/*": {"schema": photo},
        "multipart/form-data": {"schema": _object({"photo": photo})},
    }
    if vector:
        numbers = {"type": "array", "items": {"type": "number"}}
        content["application/json"] = {"schema": _object({"vector": numbers})}
    answers = _answers({"application/json": {"schema": _object(answer)}})
    body = {"required": True, "content": content}
    return {"post": {"summary": summary, "parameters": parameters, "requestBody": body, "responses": answers}}
