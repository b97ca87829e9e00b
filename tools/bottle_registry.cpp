// SPDX-License-Identifier: Apache-2.0
// bottle-registry: images, packs and other artifacts of registries (docs/tools/bottle-registry.md), and a
// small registry (docs/tools/bottle-registry-serve.md).
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

#include "bottle_registry_serve.hpp"
#include "pack/artifact.hpp"
#include "registry/pull.hpp"
#include "registry/push.hpp"
#include "registry/sources.hpp"
#include "registry_connection.hpp"
#include "registry_push.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/text.hpp"
#include "util/tool_main.hpp"

using namespace bottle;
using oci::Reference;
using registry::Client;
using tools::Connection;
using tools::parse_platform;
using tools::print;

namespace {

constexpr std::uint64_t kMaximumShown = 1u << 20;  // of a configuration in `inspect`

struct PullCommand {
  Connection connection;
  std::string reference;
  std::string layout;
  std::string pack;
  std::string platform;
  std::string name;
  std::string store;

  Subcommand add_to(Subcommand app) {
    Subcommand command =
        app.add_subcommand("pull",
                           "Download an image or artifact into an image layout, a pack file or the store.")
            .footer("Example: bottle-registry pull debian:12 --layout debian-layout");
    command.when_chosen([this, command] {
      command.add_option("reference", reference, "Download REF").type_name("REF").required();
      command.add_option("--layout", layout, "Write an image layout to DIR, replacing an existing one")
          .type_name("DIR");
      command.add_option("--pack", pack, "Write the pack to FILE").type_name("FILE");
      command
          .add_option("--platform", platform,
                      "Choose os/architecture[/variant] of an index, or all (default: this machine's)")
          .type_name("PLATFORM");
      command.add_option("--name", name, "Name the image NAME in the layout (default: the tag)")
          .type_name("NAME");
      command.add_option("--store", store, "Use the store in DIR").type_name("DIR");
      connection.add_to(command);
    });
    return command;
  }

  int run(const CommonOptions& common) const {
    if (!layout.empty() && !pack.empty()) throw UsageError("pull: --layout and --pack exclude each other");
    const Reference wanted = Reference::parse(reference);
    const Client client = connection.client(common.quiet ? "" : "pulling");
    const store::Store open_store = store::Store::open(store);
    if (!pack.empty()) return run_pack(client, wanted, open_store, common);
    const bool all = platform == "all";
    const registry::PullReport report = registry::pull(
        client, wanted, open_store, {.platform = parse_platform(all ? "" : platform), .all_platforms = all});
    if (!layout.empty())
      registry::write_layout(report, open_store, fs::absolute(layout), name.empty() ? wanted.tag : name);
    if (common.json)
      print(report.json());
    else if (!common.quiet)
      fmt::print("{}: {}, {} of {} blobs fetched ({})\n", wanted.string(), report.root().digest.string(),
                 report.blobs_fetched, report.blobs.size(), human_size(report.bytes_fetched));
    return kSuccess;
  }

  int run_pack(const Client& client, const Reference& wanted, const store::Store& open_store,
               const CommonOptions& common) const {
    const pack::RemotePack found = pack::get_pack(client, wanted, parse_platform(platform));
    pack::pull_pack(client, found, open_store, pack);
    if (common.json)
      print({{"reference", wanted.string()},
             {"digest", found.manifest.digest.string()},
             {"packDigest", found.layer.digest.string()},
             {"size", found.layer.size},
             {"pack", pack}});
    else if (!common.quiet)
      fmt::print("{}: {} ({})\n", pack, found.layer.digest.string(), human_size(found.layer.size));
    return kSuccess;
  }
};

struct CopyCommand {
  Connection connection;
  std::string from;
  std::string to;
  std::string platform = "all";
  std::string store;

  Subcommand add_to(Subcommand app) {
    Subcommand command =
        app.add_subcommand("copy", "Copy an image or artifact between registries or repositories.")
            .footer("Example: bottle-registry copy debian:12 registry.example/mirror/debian:12");
    command.when_chosen([this, command] {
      command.add_option("from", from, "Copy from REF").type_name("REF").required();
      command.add_option("to", to, "Copy to REF").type_name("REF").required();
      command.add_option("--platform", platform, "Copy os/architecture[/variant] of an index, or all")
          .type_name("PLATFORM")
          .show_default();
      command.add_option("--store", store, "Use the store in DIR for the blobs").type_name("DIR");
      connection.add_to(command);
    });
    return command;
  }

  int run(const CommonOptions& common) const {
    const Reference source_name = Reference::parse(from);
    const Reference target = Reference::parse(to);
    const Client client = connection.client(common.quiet ? "" : "copying");
    const store::Store open_store = store::Store::open(store);
    registry::PushSource source = registry::registry_source(
        client, source_name, open_store, parse_platform(platform == "all" ? "" : platform));
    if (source_name.registry == target.registry) source.mount_from = source_name.repository;
    const registry::PushReport report = registry::push(client, source, target);
    if (common.json)
      print(report.json());
    else if (!common.quiet)
      fmt::print("{}: {}{}, {} sent\n", target.string(), report.root.digest.string(),
                 report.unchanged ? " exists already" : "", human_size(report.bytes_sent));
    return kSuccess;
  }
};

struct TagsCommand {
  Connection connection;
  std::string repository;
  std::size_t page = 0;
  std::size_t limit = 1'000'000;

  Subcommand add_to(Subcommand app) {
    Subcommand command = app.add_subcommand("tags", "List the tags of a repository.")
                             .footer("Example: bottle-registry tags registry.example/team/app --limit 10");
    command.when_chosen([this, command] {
      command.add_option("repository", repository, "List the tags of REPOSITORY")
          .type_name("REPOSITORY")
          .required();
      command.add_option("--page", page, "Request N tags at a time (default: the registry's choice)")
          .type_name("N");
      command.add_option("--limit", limit, "List at most N tags").type_name("N");
      connection.add_to(command);
    });
    return command;
  }

  int run(const CommonOptions& common) const {
    const auto tags = connection.client().tags(Reference::parse(repository), page, limit);
    if (common.json) {
      print(OrderedJson{{"tags", tags}});
    } else {
      for (const std::string& tag : tags)
        fmt::print("{}\n", tag);
    }
    return kSuccess;
  }
};

struct InspectCommand {
  Connection connection;
  std::string reference;
  std::string platform;
  bool raw = false;
  bool referrers = false;
  std::string artifact_type;

  Subcommand add_to(Subcommand app) {
    Subcommand command =
        app.add_subcommand("inspect",
                           "Print the manifest, configuration and referrers of a reference as JSON.")
            .footer("Example: bottle-registry inspect debian:12 --platform linux/arm64");
    command.when_chosen([this, command] {
      command.add_option("reference", reference, "Print REF").type_name("REF").required();
      command.add_flag("--raw", raw, "Print only the manifest or index, byte for byte");
      command
          .add_option("--platform", platform,
                      "Choose os/architecture[/variant] of an index (default: the index itself)")
          .type_name("PLATFORM");
      command.add_flag("--referrers", referrers, "Print the referrers too");
      command.add_option("--artifact-type", artifact_type, "Print only referrers of TYPE").type_name("TYPE");
      connection.add_to(command);
    });
    return command;
  }

  int run(const CommonOptions& common) const {
    const Reference wanted = Reference::parse(reference);
    const Client client = connection.client();
    const auto chosen = parse_platform(platform);
    registry::FetchedManifest manifest =
        chosen ? client.get_image_manifest(wanted, *chosen) : client.get_manifest(wanted);
    if (raw) {
      std::cout.write(manifest.bytes.data(), static_cast<std::streamsize>(manifest.bytes.size()));
      return kSuccess;
    }
    const Reference by_digest = wanted.with_digest(manifest.digest);
    OrderedJson json{{"reference", wanted.string()},
                     {"digest", manifest.digest.string()},
                     {"mediaType", manifest.media_type},
                     {"size", manifest.bytes.size()}};
    json["manifest"] = OrderedJson::parse(manifest.bytes);
    if (!oci::is_index_type(manifest.media_type)) {
      const oci::Manifest parsed = oci::parse_manifest(manifest.bytes, by_digest.string());
      if (parsed.config.media_type.ends_with("json") && parsed.config.size <= kMaximumShown) {
        const std::string config = client.read_blob(by_digest, parsed.config, kMaximumShown);
        parse_json(config, by_digest.string() + ": configuration");
        json["config"] = OrderedJson::parse(config);
      }
    }
    // As smolvm's `pack inspect` has it: the pack of this machine's platform.
    const auto pack = pack::find_pack(manifest, wanted);
    if (pack)
      json["pack"] = {{"layer_size", pack->layer.size}, {"layer_digest", pack->layer.digest.string()}};
    if (referrers || !artifact_type.empty()) {
      json["referrers"] = OrderedJson::array();
      for (const oci::Descriptor& one : client.referrers(by_digest, artifact_type))
        json["referrers"].push_back(oci::to_json(one));
    }
    static_cast<void>(common);  // JSON in any case
    print(json);
    return kSuccess;
  }
};

struct ProbeCommand {
  Connection connection;
  std::string registry;
  std::string wait;

  Subcommand add_to(Subcommand app) {
    Subcommand command =
        app.add_subcommand("probe", "Check whether a registry answers, and which authentication it requires.")
            .footer("Example: bottle-registry probe registry.example:5000 --wait 30s");
    command.when_chosen([this, command] {
      command.add_option("registry", registry, "Check the registry at HOST")
          .type_name("HOST[:PORT]")
          .required();
      command.add_option("--wait", wait, "Retry for at most TIME until the registry answers")
          .type_name("TIME");
      connection.add_to(command);
    });
    return command;
  }

  int run(const CommonOptions& common) const {
    const auto seconds = wait.empty() ? std::optional<std::uint64_t>(0) : parse_duration(wait);
    if (!seconds) throw UsageError("--wait: expected a length of time, found \"" + wait + '"');
    const Client client = connection.client();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(*seconds);
    registry::ProbeResult result = client.probe(registry);
    while (!result.answers && std::chrono::steady_clock::now() < end) {
      check_interrupted();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      result = client.probe(registry);
    }
    if (common.json) {
      OrderedJson json{{"registry", registry}, {"url", result.url}, {"answers", result.answers}};
      if (result.answers) {
        json["authentication"] = result.authentication;
        json["authorized"] = result.authorized;
        json["credentials"] = result.credentials;
        if (!result.token_service.empty()) json["tokenService"] = result.token_service;
      }
      if (!result.problem.empty()) json["problem"] = result.problem;
      print(json);
    } else if (result.answers && !common.quiet) {
      fmt::print("{}: answers at {}, authentication: {}, credentials: {}, {}\n", registry, result.url,
                 result.authentication, result.credentials,
                 result.authorized ? "authorized" : "not authorized");
    }
    if (!result.problem.empty() && !common.json) fmt::print(stderr, "{}\n", result.problem);
    return result.answers ? kSuccess : kCheckFound;
  }
};

int run(int argc, char** argv) {
  CommandLine app(
      "Read and write images, packs and other artifacts of registries, and serve a small registry.",
      "bottle-registry");
  CommonOptions common;
  app.add_common_options(common);
  app.footer("Example: bottle-registry push registry.example/team/app:1.0 --image build/bottles/app");
  app.require_subcommand();
  PullCommand pull;
  tools::PushCommand push;
  CopyCommand copy;
  TagsCommand tags;
  InspectCommand inspect;
  ProbeCommand probe;
  const Subcommand pull_app = pull.add_to(app);
  const Subcommand push_app = push.add_to(app);
  const Subcommand copy_app = copy.add_to(app);
  const Subcommand tags_app = tags.add_to(app);
  const Subcommand inspect_app = inspect.add_to(app);
  const Subcommand probe_app = probe.add_to(app);
  ServeCommand serve(app, common);
  if (const auto status = app.parse(argc, argv)) return *status;
  if (pull_app.parsed()) return pull.run(common);
  if (push_app.parsed()) return push.run(common);
  if (copy_app.parsed()) return copy.run(common);
  if (tags_app.parsed()) return tags.run(common);
  if (inspect_app.parsed()) return inspect.run(common);
  if (probe_app.parsed()) return probe.run(common);
  return serve.run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("bottle-registry", [&] { return run(argc, argv); });
}
