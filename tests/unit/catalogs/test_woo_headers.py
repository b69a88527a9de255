"""WooCommerce's export as shops of other languages have it: header lines are those of files, with fewer columns."""

from __future__ import annotations

from typing import Any

import pytest

from workers.catalogs.woo_headers import languages

HEADERS = {
    "English": 'ID,Type,SKU,"GTIN, UPC, EAN, or ISBN",Name,Published,"Short description",Description,"In stock?",Stock,'
    '"Regular price",Categories,Images,Parent,Position,"Attribute 1 name","Attribute 1 value(s)",Attribute 1 global',
    "German": 'ID,Typ,Artikelnummer,"GTIN, UPC, EAN oder ISBN",Name,Veröffentlicht,Kurzbeschreibung,Beschreibung,Vorrätig?,'
    'Bestand,"Regulärer Preis",Kategorien,Bilder,"Übergeordnetes Produkt",Position,"Attribut 1 Name","Attribut 1 Wert(e)",'
    '"Attribut 1 Global"',
    "French": 'ID,Type,UGS,"GTIN, UPC, EAN ou ISBN",Nom,Publié,"Description courte",Description,"En stock ?",Stock,'
    '"Tarif régulier",Catégories,Images,Parent,Position,"Nom de l’attribut 1","Valeur(s) de l’attribut 1 ",'
    '"Attribut 1 global"',
    "Spanish": 'ID,Tipo,SKU,"GTIN, UPC, EAN o ISBN",Nombre,Publicado,"Descripción corta",Descripción,¿Existencias?,'
    'Inventario,"Precio normal",Categorías,Imágenes,Superior,Posición,"Nombre del atributo 1","Valor(es) del atributo 1",'
    '"Atributo global 1"',
    "Italian": 'ID,Tipo,SKU,"GTIN, UPC, EAN, o ISBN",Nome,Pubblicato,"Breve descrizione",Descrizione,"In stock?",Magazzino,'
    '"Prezzo di listino",Categorie,Immagine,Genitore,Posizione,"Nome dell\'attributo 1","Valore dell\'attributo 1",'
    '"Attributo 1 globale"',
    "Dutch": 'ID,Type,SKU,"GTIN, UPC, EAN of ISBN",Naam,Gepubliceerd,"Korte beschrijving",Beschrijving,"Op voorraad?",'
    'Voorraad,"Reguliere prijs",Categorieën,Afbeeldingen,Hoofd,Positie,"Naam eigenschap 1","Waarde eigenschap 1",'
    '"Globale eigenschap 1"',
    "Brazilian Portuguese": 'ID,Tipo,SKU,"GTIN, UPC, EAN, ou ISBN",Nome,Publicado,"Descrição curta",Descrição,"Em estoque?",'
    'Estoque,Preço,Categorias,Imagens,Ascendente,Posição,"Nome do atributo 1","Valores do atributo 1","Atributo global 1"',
}
BODY = r"""
10,variation,MUG-W,,,1,,,1,4,12,,white.jpg,id:12,1,Colour,White,1
11,simple,PLATE,'4006381333948,Stone Plate,1,Flat.,,1,9,18,"Home > Kitchen, Sale",plate.jpg,,0,Material,Stoneware,1
12,variable,MUG,4006381333931,Camp Mug,1,Short.,A mug\nfor the trail.,1,7,30,Home > Mugs,mug.jpg,,0,Colour,"White, Black",1
13,variation,MUG-B,,,1,,,0,,13,,,MUG,2,Colour,Black,1
"""
FIELDS = (
    "number",
    "key",
    "product_id",
    "sku",
    "parent_id",
    "title",
    "description",
    "category_path",
    "color",
    "material",
    "gtin",
    "price",
    "image_urls",
)


def test_every_language_that_is_known_is_tried() -> None:
    assert {*languages(), "English"} == HEADERS.keys()


@pytest.mark.parametrize("language", HEADERS)
def test_an_export_is_read_alike_in_every_language(read: Any, language: str) -> None:
    english, other = (read(HEADERS[one] + BODY) for one in ("English", language))
    assert (other.catalog.dialect, other.problems) == ("woocommerce", [])
    assert [row.key for row in other.rows] == ["MUG-W", "PLATE", "MUG-B"]
    for row, same in zip(other.rows, english.rows, strict=True):
        assert {field: getattr(row, field) for field in FIELDS} == {
            field: getattr(same, field) for field in FIELDS
        }
        assert [value for value in row.attrs.values() if value] == [
            value for value in same.attrs.values() if value
        ]


def test_the_columns_keep_their_own_names(read: Any) -> None:
    reading = read(HEADERS["German"] + BODY, key="Artikelnummer")
    row = reading.by_key["MUG-W"]
    assert reading.catalog.mapping["key"] == ("Artikelnummer",)
    assert reading.catalog.mapping["category_path"] == ("Kategorien",)
    assert (row.raw["Regulärer Preis"], row.attrs["bestand"], row.attrs["typ"]) == ("12", "4", "variation")
    lost = read(f"{HEADERS['German']}\n10,variation,A{',' * 10},id:12,,,,", dialect="woocommerce")
    assert lost.places == [("/catalog/rows/0/Übergeordnetes Produkt", "parent_unknown")]


def test_a_header_that_is_in_no_language_is_refused_with_those_that_are_known(refused: Any) -> None:
    assert refused("Rodzaj,Nazwa\nsimple,Kubek\n", dialect="woocommerce") == [
        ("/catalog/source", "column_missing")
    ]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ('id,sort,title\n1,variable,Mug\n2,"variation, virtual",White\n3,,\n', "sort"),
        ("id\tsort\ttitle\n1\tsimple\tMug\n2\tvariation\tWhite\n", "sort"),
        ("id,sort,title\n1,simple,Mug\n2,simple,Plate\n", None),
        ("id,sort,title\n1,variable,Mug\n2,variation of it,White\n", None),
        ("id,sort,title\n1,variation,Mug\n2,cup,White\n", None),
    ],
)
def test_a_plain_table_with_a_column_of_product_types_is_told(
    read: Any, table: str, column: str | None
) -> None:
    advice = read(table).catalog.advice
    assert (advice is None) == (column is None)
    assert column is None or repr(column) in advice


def test_nothing_is_told_of_a_table_that_is_said_to_be_one(read: Any) -> None:
    table = "id,sort,title\n1,variable,Mug\n2,variation,White\n"
    assert read(table, dialect="csv").catalog.advice is None
    assert read(HEADERS["Dutch"] + BODY).catalog.advice is None
