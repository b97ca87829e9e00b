// SPDX-License-Identifier: Apache-2.0
// The contexts that instructions take files from: scanned when the first of them asks.
#include <algorithm>
#include <system_error>
#include <utility>

#include "dockerfile/ignore.hpp"
#include "image/model/read_dockerfile.hpp"
#include "image/resolve/resolver.hpp"
#include "util/error.hpp"

namespace bottle::image::resolve {

using namespace dockerfile;

FileSource Resolver::find_source(const Origin& origin, const Position& position,
                                 const std::vector<copy::Source>& taken, const copy::EntryDetail& detail) {
  switch (origin.kind) {
    case Origin::Kind::stage:
      return StageFiles{origin.stage};
    case Origin::Kind::named_context:
      if (const ContextKind kind = find_context(resolved_.spec, origin.name)->kind;
          kind == ContextKind::path || kind == ContextKind::target)
        return take_from_context(std::string(kMainContext) + ":" + origin.name, position, taken, detail);
      [[fallthrough]];
    case Origin::Kind::image:
      return ImageFiles{open_image(origin, std::nullopt, position).value_or(origin.name)};
    case Origin::Kind::scratch:
      return ImageFiles{open_scratch()};
    case Origin::Kind::build_context:
      break;
  }
  return take_from_context(kMainContext, position, taken, detail);
}

ContextFiles Resolver::take_from_context(std::string name, const Position& position,
                                         const std::vector<copy::Source>& taken,
                                         const copy::EntryDetail& detail) {
  ContextFiles result{.context = std::move(name)};
  // Of heredocs and what is fetched nothing is taken here.
  if (options_.survey || taken.empty()) return result;
  try {
    context::ContextScan& scan = open_scan(result.context);
    for (const copy::Source& source : taken)
      scan.take(source);
    result.set = scan.close(detail);
  } catch (const SourceError&) {
    throw;
  } catch (const Error& error) {
    if (!error.where().empty()) throw;
    fail(position, error.message(), error.hint());
  }
  return result;
}

IgnoreMatcher Resolver::read_ignore(const std::vector<fs::path>& candidates, std::string& name) {
  for (const fs::path& candidate : candidates) {
    // A rule file may appear later, which only its directory's time tells; a build tree changes all the time.
    const fs::path directory = candidate.parent_path();
    if (std::none_of(resolved_.spec.excludes.begin(), resolved_.spec.excludes.end(),
                     [&](const fs::path& exclude) {
                       std::error_code none;
                       return exclude == directory || fs::equivalent(exclude, directory, none);
                     }))
      resolved_.files.push_back(directory);
    const auto text = read_file_if_exists(candidate, 16u << 20);
    if (!text) continue;
    resolved_.files.push_back(candidate);
    name = candidate.native();
    try {
      return IgnoreMatcher(read_ignore_file(*text));
    } catch (const IgnoreError& error) {
      throw Error(error.message(), {.where = name, .hint = error.hint()});
    }
  }
  return IgnoreMatcher();
}

context::ContextScan& Resolver::open_scan(const std::string& context_name) {
  const auto found = resolved_.scans.find(context_name);
  if (found != resolved_.scans.end()) return *found->second.scan;
  context::ScanOptions options;
  options.root_name = context_name;
  options.excludes = resolved_.spec.excludes;
  options.git_modes = resolved_.spec.git_modes;
  OpenScan& open = resolved_.scans[context_name];
  if (context_name == kMainContext) {
    options.root = resolved_.spec.context;
    open.ignore = read_ignore({fs::path(resolved_.spec.dockerfile.native() + ".dockerignore"),
                               resolved_.spec.context / ".dockerignore"},
                              options.ignore_name);
  } else {
    const ContextSpec& context =
        *find_context(resolved_.spec, context_name.substr(std::string(kMainContext).size() + 1));
    if (context.kind == ContextKind::target) {
      options.root = resolved_.spec.directory / "contexts" / context.name;
      for (const fs::path& file : context.files)
        options.files[file.filename().native()] = file;
    } else {
      options.root = context.value;
      open.ignore = read_ignore({context.value / ".dockerignore"}, options.ignore_name);
    }
  }
  options.ignore = &open.ignore;
  if (options_.recorded) options.recorded = options_.recorded->take(context_name);
  open.scan = std::make_unique<context::ContextScan>(std::move(options), store_.directory());
  return *open.scan;
}

}  // namespace bottle::image::resolve
