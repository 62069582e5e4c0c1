// SPDX-License-Identifier: Apache-2.0
#include "CPluginTemplates.h"

// C23's #embed (N3220 §6.10.4), which Clang has in every mode since 19: the files cannot differ from
// those that the tests build.
#pragma clang diagnostic ignored "-Wc23-extensions"

#define BYTES static const char
BYTES header[] = {
#embed "../CPluginABI/include/massif_plugin.h"
};
BYTES test_c[] = {
#embed "templates/test.c.in"
};
BYTES c_plugin[] = {
#embed "templates/plugin.c.in"
};
BYTES c_makefile[] = {
#embed "templates/c-Makefile.in"
};
BYTES c_readme[] = {
#embed "templates/c-README.md.in"
};
BYTES swift_plugin[] = {
#embed "templates/Plugin.swift.in"
};
BYTES swift_package[] = {
#embed "templates/Package.swift.in"
};
BYTES swift_makefile[] = {
#embed "templates/swift-Makefile.in"
};
BYTES swift_readme[] = {
#embed "templates/swift-README.md.in"
};
BYTES abi_source[] = {
#embed "../CPluginABI/massif_plugin.c"
};
BYTES plugin_map[] = {
#embed "../../Examples/Plugins/plugin.map"
};
BYTES kit_compute[] = {
#embed "../PluginKit/Compute.swift"
};
BYTES kit_host[] = {
#embed "../PluginKit/Host.swift"
};
BYTES kit_model[] = {
#embed "../PluginKit/Model.swift"
};
BYTES kit_model_box[] = {
#embed "../PluginKit/ModelBox.swift"
};
BYTES kit_model_plugin[] = {
#embed "../PluginKit/ModelPlugin.swift"
};
BYTES kit_plugin_box[] = {
#embed "../PluginKit/PluginBox.swift"
};
BYTES kit_session[] = {
#embed "../PluginKit/Session.swift"
};
BYTES kit_tensor[] = {
#embed "../PluginKit/Tensor.swift"
};
BYTES kit_trainer[] = {
#embed "../PluginKit/Trainer.swift"
};
BYTES kit_trainer_box[] = {
#embed "../PluginKit/TrainerBox.swift"
};

#define FILE_AT(path, bytes) {path, bytes, sizeof bytes}

static const cpt_file c_files[] = {
    FILE_AT("massif_plugin.h", header), FILE_AT("@NAME@.c", c_plugin),
    FILE_AT("test.c", test_c),          FILE_AT("Makefile", c_makefile),
    FILE_AT("README.md", c_readme),
};

static const cpt_file swift_files[] = {
    FILE_AT("Package.swift", swift_package),
    FILE_AT("Makefile", swift_makefile),
    FILE_AT("README.md", swift_readme),
    FILE_AT("plugin.map", plugin_map),
    FILE_AT("test.c", test_c),
    FILE_AT("Sources/@MODULE@/@MODULE@.swift", swift_plugin),
    FILE_AT("Sources/CPluginABI/include/massif_plugin.h", header),
    FILE_AT("Sources/CPluginABI/massif_plugin.c", abi_source),
    FILE_AT("Sources/PluginKit/Compute.swift", kit_compute),
    FILE_AT("Sources/PluginKit/Host.swift", kit_host),
    FILE_AT("Sources/PluginKit/Model.swift", kit_model),
    FILE_AT("Sources/PluginKit/ModelBox.swift", kit_model_box),
    FILE_AT("Sources/PluginKit/ModelPlugin.swift", kit_model_plugin),
    FILE_AT("Sources/PluginKit/PluginBox.swift", kit_plugin_box),
    FILE_AT("Sources/PluginKit/Session.swift", kit_session),
    FILE_AT("Sources/PluginKit/Tensor.swift", kit_tensor),
    FILE_AT("Sources/PluginKit/Trainer.swift", kit_trainer),
    FILE_AT("Sources/PluginKit/TrainerBox.swift", kit_trainer_box),
};

const cpt_file *const cpt_c_files = c_files;
const size_t cpt_c_file_count = sizeof c_files / sizeof *c_files;
const cpt_file *const cpt_swift_files = swift_files;
const size_t cpt_swift_file_count = sizeof swift_files / sizeof *swift_files;
