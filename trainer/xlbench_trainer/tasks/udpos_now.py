"""`udpos-now`: the part of speech of each word, in 82 languages of Universal Dependencies as it is.

One treebank a language, of some two, each at a commit of 2025 or 2026; those that Masakhane hands
out (ar bm en pcm ro) are older. XTREME-R used an older release and put all treebanks of a language
together: that is `udpos`. Here are the languages that XTREME-R lacks, and the newest annotation.
"""

from collections.abc import Iterable

from xlbench_trainer.tasks import sentences
from xlbench_trainer.tasks.codes import code_of, codes_of
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.sentences import Sentence

_MASAKHANE = "masakhane-io/masakhane-pos"
_MASAKHANE_COMMIT = "a42273eb27d37f3dedfc3914bfccb88199e10454"
_MASAKHANE_FOLDERS = {
    "ar": "ar_padt",
    "bm": "bm_crb",
    "en": "en_ewt",
    "pcm": "pcm_nsc",
    "ro": "ro_rrt",
}
_TREEBANKS = """
Afrikaans-AfriBooms af a6dd726120c8bf1a0f8fb40f6a9ca15e880a192a
Akuntsu-TuDeT aqz 84f646867f0937939e3015d78aa14a8b6d7181bf
Albanian-TSA sq f9f4cf1be5564b5d50bafe7d4d6234d5552cdfce
Amharic-ATT am 2a7b52094758edd88ea67690ff86aed6a2f51481
Apurina-UFPA apu 1d539a46b704673c9688ce2da61e6b4ae00c2d41
Armenian-ArmTDP hy 90fe19c2cc3942c4ab53c08e8aa09770c1177ab3
Assyrian-AS aii 9c84d503c38fed54309c1325bdfa2ad0382091b3
Azerbaijani-TueCL az 0f68519f15a22a82e0de9eb899a4f4d50ab4c455
Bengali-BRU bn 07ee0ffb45ab0c20022a20e3888b354be1374b42
Bhojpuri-BHTB bho cb3dcc540123c459f3c3914b3884e1b318311dbb
Breton-KEB br 639600f9b15a5e2e15f310b12e4dbe81c40fa74b
Cebuano-GJA ceb d85a2c85c431d25c9858215303ab4827431b367e
Central_Kurdish-Mukri ckb 7643a46dfa9559d4e177fb32678a9534c897ea85
Chinese-GSD zh 200dbe8acf60ff0d194f2d30bf925c410eee762a
English-ParTUT en bd9434bf851c0f33b883efaac57c00c25aab296a
Erzya-JR myv c8038472dea7cec18586a38ded9b71e9bf20995d
Faroese-FarPaHC fo 65e3d0ad051167ff508e7b13175deab5ba5d7c09
French-ParTUT fr 4d0c8351842f93be11b50fd08ea7b2b4b9101c01
German-GSD de 297fcf350481058d0737a27f0f8fd03b2eadd67a
Greek-GDT el 1485f849d5ac7fcafa092a75804b41dbb1a3f194
Guarani-OldTuDeT gn 3bf5de9ca73745627f045c093e5d47015e24247b
Gujarati-GujTB gu 441c3c273c2b80460dd474e51414cf6fb7b986cf
Haitian_Creole-Adolphe ht 4d879ee037d2c374d430353c84d78a3056bc9bbb
Haitian_Creole-Autogramm ht 8dcf1867b3ad8a157d33b81ce98774e9d9e28053
Hebrew-HTB he a6d496c877d0d07d97bcfdb2de11d245ef94256a
Indonesian-GSD id 89491e4d51c15da157175c303213ae5ff6f05f9d
Irish-IDT ga ecefd4dfddc5da6d56a56429535e64aec060ec4f
Javanese-CSUI jv f3baedde383bfe0364d56095ff24caee568fe0bb
Karelian-KKPP krl f4c8ec818f4daca63cb5115077b654564bf351a3
Kazakh-KTB kk e9f3b87a5faa95cf0b4cd97d62f2de8c90ee8153
Khunsari-AHA kfm 7124ef21c1236dea38cd6b2d9fcd7a603abe6ab2
Komi_Permyak-UH koi f7147fe2b6fdc206953df49e90c1811b18c19b01
Komi_Zyrian-IKDP kpv cbdcdc18fd992f54f5302b90b8251262caddb447
Komi_Zyrian-Lattice kpv 42d60ba4d2ef33ea3c2a7ad754d309946b67df01
Kurmanji-MG kmr 0dad7c35ec21766357dd314d0cbc18c25c07805b
Kyrgyz-KTMU ky 57ad72fdcf2522856cba292905c236d396865495
Ligurian-GLT lij 4ba26d03501bf75d8e6819b7f8c87cb03109e25c
Lithuanian-HSE lt 4153e684760985a692917e73e7904cb2ff2d6dd5
Livvi-KKPP olo c1565fcfb5f1226b1f2e63767cf6ee673128d7ed
Luxembourgish-LuxBank lb 7a01d1c12dabc88d099f9b4d64da3a0f1e6dbf43
Macedonian-MTB mk bd8a5c0d467d6abbb6c5c7d9031d63dc66d836ef
Maghrebi_Arabic_French-Arabizi qaf 89fddb4adedb65beac28f56e548dba0b9ceec8d0
Malayalam-UFAL ml 45af66d0d76fb681ef23594568e5f16da7941d7d
Maltese-MUDT mt 8330fc644d66d62d91e873780c2706c5519f8bfd
Manx-Cadhan gv 906971603f2de82755024cae375a3e1e387c0b9d
Marathi-UFAL mr c02a08246fdb6c99257d7c5bc6ef14f736a995bf
Mbya_Guarani-Thomas gun d799dc78b31af9f26d0be840c60e60a622540754
Moksha-JR mdf d4a1a0dd38bfcaeccbd6876e3747efa0b9336176
Neapolitan-RB nap 66be35bf04e3308dc687a4735798914c7921249a
Nenets-Tundra yrk c427ba340be3d3a351195b17adb65bfeac1cd509
North_Sami-Giella sme 5d84ca5b1c0498dfdb78482a79363c1cca61bb5f
Odia-ODTB or 719363f7c4205937a07eaf807a019cfff28f2d7f
Pashto-Sikaram ps 0fdb631d2234c839f56765d286d55a27dd84898c
Russian-GSD ru 5400f2fd7264b7699727bb61b09f53841899df26
Sanskrit-UFAL sa 27279e79206c670373432db05756f2b68e7ba203
Scottish_Gaelic-ARCOSG gd d899aedfd1bfb5383e8867294d7db8f85108fb32
Sindhi-Isra sd f9af22748d916d513689cc3d6dc7653315f14767
Sinhala-STB si 31b212b1fa7b552fcac0f6ccd5ff7639088933ed
Skolt_Sami-Giellagas sms db549200379038ee45e4e755463a201cae69876d
Soi-AHA soj ef0f53b0194c9456c33331c06c99357687713649
South_Levantine_Arabic-MADAR ajp ce9037fbf72ff54006ff1186a0e07ccd93a2a94b
Southern_Kurdish-Garrusi sdh 45541371e05ff8f653ac633f34b6062628dac7c8
Swiss_German-UZH gsw e98370adcd41aea64b151d654f8ac76f9a8fc2b4
Tagalog-TRG tl 7151bec17280ebbfdb61f82126649f7b95216703
Tagalog-Ugnayan tl 5186042b34f8c77df6f1a381091ea3a3d3de0cc6
Tamil-TTB ta afe55e0c8ee0e5bfdb2c1cdb287880a22d254b58
Tatar-NMCTT tt 0a0a26171d2d737ad83b1122ae9a96c04545ba40
Telugu-MTG te fea14d143ec43ba42b0b82381b55fd509839a1a0
Tswana-Popapolelo tn 04c4c524a676070822a0dc3895765f2ba2f28d48
Turkish-IMST tr bcd48daa9957794a9137d85a4e2a115cdcdd4b1a
Upper_Sorbian-UFAL hsb 6dc5594861906bbd755188a7de26f2c833a4a7bf
Uyghur-UDT ug 24eb080e4832169315ffb5411beb6cbc8f0372c4
Uzbek-UT uz 90817bc520f0138e2903448eaf6bf41d097430b3
Veps-VWT vep 5a8a38259ef3b4eb85ffff6a8632b0169b15428e
Vietnamese-VTB vi e8fa54835582fb5d0c767f19f0992675726fa084
Warlpiri-UFAL wbp c73f660e9750bdcd3391fb7be115f47f27e5e31a
Welsh-CCG cy 78e19757e590d92bba26cbd145f56779ce61d2a3
Wolof-WTB wo 575a3ab64619a91de9950f01afb7c9f2d8cd28c4
Yakut-YKTDT sah 15e6327c442f0eb0a97c982ed62d11c08b226740
Yoruba-YTB yo d07fe63b40512ac904a6519bae1658e9b05109ce
Yupik-SLI ess 04c287103c752fe0bcd7512b4136dc8d007f074d
"""
"""Treebank, language and commit."""

_ROWS = [line.split() for line in _TREEBANKS.strip().split("\n")]
_COMMITS = {name: commit for name, _, commit in _ROWS}
_FILE_CODES = {name: language for name, language, _ in _ROWS}


def repositories(split: str, languages: Iterable[str]) -> dict[str, str]:
    """Repositories of a split in some languages, and their commits."""
    found = {}
    for language in languages:
        if _in_masakhane(split, language):
            found[_MASAKHANE] = _MASAKHANE_COMMIT
        found |= {f"UniversalDependencies/UD_{name}": _COMMITS[name] for name in _of(language)}
    return found


def _in_masakhane(split: str, language: str) -> bool:
    return language in _MASAKHANE_FOLDERS and (split == "test" or language == "en")


def _of(language: str) -> list[str]:
    """The treebanks of a language."""
    return [name for name, code in _FILE_CODES.items() if code_of(code) == language]


_TEST = codes_of(" ".join([*_FILE_CODES.values(), *_MASAKHANE_FOLDERS]))

ABOUT = About(
    description="which part of speech is each word, in Universal Dependencies as it is now?",
    protocol=(
        "Scored as udpos, by whose models it may be scored (evaluateOn). Syntactic words: a "
        "multiword token is taken apart. Another release and other treebanks than XTREME-R's. "
        "English: EWT and ParTUT; their short sentences stand in train and test alike (47 of EWT's "
        "test, 36 of dev)."
    ),
    kind="tagging",
    metrics=("accuracy", "xtreme_f1"),
    labels=sentences.UPOS,
    repositories=repositories("test", _TEST),
    version="udpos-now-2",
    train_source="universal-dependencies",
    licence=(
        "that of each treebank: CC-BY-SA; non-commercial (CC-BY-NC-SA): Arabic-PADT, Bambara-CRB, "
        "English-ParTUT, French-ParTUT, Greek-GDT, Hebrew-HTB, Mbya_Guarani-Thomas, "
        "Tagalog-Ugnayan, Tamil-TTB, Turkish-IMST; C-UDA: Ligurian-GLT"
    ),
    non_commercial=True,
    cluster="sentence",
    splits={
        "train": codes_of("ckb en kk mr sdh te"),
        "dev": codes_of("ckb en lt mr sdh ta te"),
        "test": _TEST,
    },
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All sentences of a split in a language, treebank by treebank."""
    found: list[Sentence] = []
    if _in_masakhane(split, language):
        path = f"transfer_corpus/{_MASAKHANE_FOLDERS[language]}/{split}.txt"
        found += sentences.columns(files.text(_MASAKHANE, path), " ")
    for name in _of(language):
        treebank = name.split("-")[1].lower()
        path = f"{_FILE_CODES[name]}_{treebank}-ud-{split}.conllu"
        found += sentences.conllu(files.text(f"UniversalDependencies/UD_{name}", path))
    return sentences.examples(found, language)
