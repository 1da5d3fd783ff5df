"""Letters of other scripts and styles that look like an ASCII letter.

``UNICODE`` is derived from the data of Unicode Technical Standard 39 (``confusables.txt``, as the PyPI package
``confusable_homoglyphs`` 3.3.1 carries it): single letters, unchanged by NFKC, whose look-alike is one ASCII letter.
That data is under the Unicode License v3, in ``UNICODE-LICENSE.txt`` beside this file. ``OWN`` adds letters that
obfuscation tools use and the standard does not list, because they look alike only in some fonts.
"""
# ruff: noqa: RUF001  the point of this file is that its letters are easy to confuse

from __future__ import annotations

from typing import Final

UNICODE: Final = {
    "A": "ΑАᎪᗅꓮ𐊠𖽀",
    "B": "ƄΒВЬᏏᏴᗷꓐꞴ𐊂𐊡𐌁",
    "C": "СᏟⲤꓚ𐊢𐌂𐐕𐔜",
    "D": "ᎠᏧᗞᗪꓓ",
    "E": "ΕЕᎬⴹꓰ𐊆𑢦𑢮",
    "F": "ϜᖴꓝꞘ𐊇𐊥𐔥𑢢𑣂",
    "G": "ԌᏀᏳꓖ",
    "H": "ΗНᎻᏂᕼⲎꓧ𐋏",
    "I": "ƖΙІӀᎥⲒ",
    "J": "ͿЈᎫᒍꓙꞲ",
    "K": "ΚКᏦᛕⲔꓗ𐔘",
    "L": "ᏞᒪⳐꓡ𐐛𐔦𑢣𑢲𖼖",
    "M": "ΜϺМᎷᗰᛖⲘꓟ𐊰𐌑",
    "N": "ΝⲚꓠ𐔓",
    "O": "ΟОՕଠዐⲞⵔꓳ𐊒𐊫𐐄𐓂𐔖𑢵",
    "P": "ΡРᏢᑭⲢꓑ𐊕",
    "Q": "ⵕ",
    "R": "ƦᎡᏒᖇꓣ𐒴𖼵",
    "S": "ЅՏᏕᏚꓢ𐊖𐐠𖼺",
    "T": "ΤТᎢⲦꓔ𐊗𐊱𐌕𑢼𖼊",
    "U": "Սሀᑌꓴ𐓎𑢸𖽂",
    "V": "ѴᏙᐯⴸꓦꛟ𐔝𑢠𖼈",
    "W": "ԜᎳᏔꓪ",
    "X": "ΧХᚷⲬⵝꓫꞳ𐊐𐊴𐌗𐔧",
    "Y": "ΥУҮᎩᎽⲨꓬ𐊲𑢤𖽃",
    "Z": "ΖᏃꓜ𑢩",
    "a": "ɑαа",
    "b": "ᑲᖯ",
    "c": "сᴄⲥꮯ𐐽",
    "d": "ԁᑯꓒ",
    "e": "еҽꬲ",
    "f": "քẝꞙꬵ",
    "g": "ƍɡցᶃ",
    "h": "һհ",
    "i": "ıɩɪιіӏꙇꭵ𑣃",
    "j": "ϳј",
    "l": "ǀᛁⵏꓲ𐊊𐌉𖼨",
    "n": "ոռ",
    "o": "οσоօഠဝჿᴏᴑⲟꬽ𐐬𐓪𑣈𑣗",
    "p": "ρрⲣ",
    "q": "ԛգզ",
    "r": "гᴦⲅꭇꭈꮁ",
    "s": "ƽѕꜱꮪ𐑈𑣁",
    "u": "ʋυսᴜꞟꭎꭒ𐓶𑣘",
    "v": "νѵᴠꮩ𑜆𑣀",
    "w": "ɯѡԝաᴡꮃ𑜊𑜎𑜏",
    "x": "хᕁᕽ",
    "y": "ɣʏγуүყᶌỿꭚ𑣜",
    "z": "ᴢꮓ𑣄",
}
"""ASCII letter to its look-alikes."""

OWN: Final = {
    "a": "ᴀ",
    "b": "ʙвβ",
    "d": "ᴅ",
    "e": "ᴇε",
    "f": "ꜰ",
    "g": "ɢ",
    "h": "ʜн",
    "j": "ᴊ",
    "k": "ᴋкκ",
    "l": "ʟ",
    "m": "ᴍм",
    "n": "ɴпη",
    "p": "ᴘ",
    "q": "ǫ",
    "r": "ʀ",
    "t": "ᴛтτ",
    "w": "ω",
    "x": "χ",
}

LOOK_ALIKES: Final = {alike: letter for table in (UNICODE, OWN) for letter, alikes in table.items() for alike in alikes}
"""Look-alike to its ASCII letter."""
