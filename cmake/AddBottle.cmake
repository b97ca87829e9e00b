#[=======================================================================[.rst:
add_bottle
----------

Declares an image that a Dockerfile describes, and the targets that make it::

  add_bottle(<slug>
    [DOCKERFILE <file>] [CONTEXT <directory>] [TARGET <stage>]
    [PLATFORMS <os/architecture>]
    [BUILD_ARGS <name=value>...] [CONTEXTS <name=kind:value>...] [BASES <slug>...]
    [SECRETS <id=env:NAME|file:PATH>...] [LOCK <file>]
    [SKILLS <name>...] [GATES <gate>...] [DEPENDS <target or file>...]
    [ENGINE <engine>] [ENGINE_OPTIONS <word>...]
    [PACKER <packer>] [REGISTRY_IMAGE <image@sha256:...>]
    [CPUS <n>] [MEMORY <MiB>] [NETWORK [machine] [none|host]] [USER <user>]
    [SMOLVM_VERSION <version>]
    [SHM_SIZE <size>] [ULIMITS <name=soft[:hard]>...] [ADD_HOSTS <name:address>...]
    [ENV <name=value>...] [ENTRYPOINT <word>...] [CMD <word>...]
    [PUSH <reference>...] [PUSH_PACK <reference>...]
    [EXCLUDE_FROM_ALL])

``<slug>``
  The bottle's name: at most 63 characters of ``a-z 0-9 _ . -``, the first one a
  letter or a digit.
``DOCKERFILE``
  Relative to the current source directory; default ``Dockerfile`` in the
  context.
``CONTEXT``
  The directory that the Dockerfile copies from; default: the current source
  directory. The build tree is never part of it. The permissions of its files
  are taken as git keeps them, 0755 or 0644, so that a checkout's umask does not
  matter; ``COPY --chmod`` gives others, ``BOTTLE_GIT_MODES`` turns that off.
``TARGET``
  The stage to build; default: the last.
``PLATFORMS``
  One platform, as ``linux/arm64``; default: this machine's.
``BUILD_ARGS``
  Values for the Dockerfile's ``ARG``. Those it does not use change nothing.
``CONTEXTS``
  Further places that ``FROM <name>`` and ``COPY --from=<name>`` find:
  ``path:<directory>``, ``bottle:<slug>``, ``target:<target>`` (the file of an
  executable or library, under its own name), ``oci-layout:<directory>`` with
  ``:<tag>`` or ``@<digest>`` behind it where the layout holds several images,
  ``docker-archive:<file>[:<tag>]`` (as ``docker save`` writes it),
  ``image:<reference>`` or ``docker-image://<reference>`` (an image of a
  registry, as the lock says), ``https://<url>`` and the address of a git
  repository (``https://<host>/<path>.git#<ref>:<directory>``,
  ``git@<host>:<path>``; their files, as the lock says),
  ``gate:<slug>`` (the rendered files of a gate, declared before).
``BASES``
  ``BASES base`` is ``CONTEXTS base=bottle:base``. A bottle may be declared
  after the ones that need it.
``SECRETS``
  What ``RUN --mount=type=secret`` may ask for, by its id: the value of an
  environment variable, or a file's content, both read when a ``RUN`` needs
  them. Another value builds nothing again: it is in no key, layer or log.
``LOCK``
  The file that says which content the references of outside sources stand for
  (``bottle-lock``); default: the variable ``BOTTLE_LOCK``, else ``bottle.lock``
  in the source directory of the project.
``SKILLS``
  Directories of ``$HOME/.claude/skills`` (or of the variable
  ``BOTTLE_SKILLS_DIR``): together they are the context ``skills``, for
  ``COPY --from=skills . /home/agent/.claude/skills/``.
``GATES``
  Gates (:command:`add_gate`) that this bottle uses: they are made before it,
  and its pack's environment says where they are: ``BOTTLE_GATE_<SLUG>``, and
  for git the settings by which an upstream's URL leads to the gate.
``DEPENDS``
  Targets and files to make first, for generated files in a context.
``ENGINE``
  What builds the image: ``builtin``, ``docker``, ``podman``, ``buildah`` or
  ``buildx``. The argument goes before the variable ``BOTTLE_ENGINE``, that
  before the environment's. An engine that is missing or cannot be reached fails
  the target, not the configuring.
``ENGINE_OPTIONS``
  Words for the build command of an outside engine, as ``--network=host``. They
  are in the key; ``BOTTLE_ENGINE_OPTIONS`` in the environment is not.
``PACKER``
  What makes the pack: ``native``, or ``smolvm``, the command of that name.
``REGISTRY_IMAGE``
  For ``PACKER smolvm``: a container of this image, pinned by its digest, serves
  the image to it in place of Bottle's own registry.
``CPUS``, ``MEMORY``
  What a machine made from the pack gets unless told otherwise: 4, 8192 MiB.
``NETWORK``
  Two things, in any order. ``machine``, or the keyword alone: a machine made
  from the pack has a network. ``none``: no ``RUN`` of this bottle has one, so
  that nothing but its inputs can reach it, which is what we recommend;
  ``host``, the default: each has this machine's, unless the Dockerfile says
  ``--network=none``. So ``NETWORK machine none`` builds without and runs with.
  A generator expression may also give 1 or 0 for ``machine`` or not:
  ``NETWORK $<CONFIG:Debug> none``.
``SHM_SIZE``, ``ULIMITS``, ``ADD_HOSTS``
  What each ``RUN`` of this bottle gets: the size of ``/dev/shm``, as ``128m``
  (default: 64 MiB); limits of :manpage:`setrlimit(2)`, as
  ``nofile=1024:2048`` (``-1`` is no limit); lines of ``/etc/hosts``, as
  ``mirror:10.0.0.1``. They are in the key, and outside engines get them as
  ``--shm-size``, ``--ulimit`` and ``--add-host``.
``ENV``, ``ENTRYPOINT``, ``CMD``, ``USER``
  Added to, or put in place of, what the image says, in the pack only. ``USER``
  is a name or number, with a group if needed: ``agent``, ``1000:1000``.
``SMOLVM_VERSION``
  The smolvm that the pack is meant for, as ``1.16.2``, at least 1.8.1;
  ``current``, the default, is the newest that Bottle knows. An older one gets
  what it understands: before 1.14.5 a pack names no user.
``PUSH``, ``PUSH_PACK``
  Where ``bottle-<slug>-push`` sends the image, and the pack:
  ``registry/repository:tag``. What happened to each blob is in
  ``push/*.json`` beside the pack. Credentials come from Docker's
  configuration.
``EXCLUDE_FROM_ALL``
  Leaves the bottle out of the default target.

Values may hold any text, also ``;``, quotes, ``$`` and newlines, and generator
expressions. (A word of ``ENTRYPOINT`` or ``CMD`` cannot be equal to a keyword.)
What an expression gives is checked by the tools; nothing is the default. Slugs,
the names of targets, gates and skills, and the names in ``name=value`` have to
be known when the project is configured and cannot hold one.

Targets:

``bottle-<slug>``
  the pack, ``<build>/bottles/<slug>/<slug>.smolmachine`` (a multi-config
  generator adds the configuration: ``<build>/<config>/bottles/...``);
``bottle-<slug>-image``
  the image plan;
``bottle-<slug>-oci``
  the OCI image layout ``oci/`` beside the pack;
``bottle-<slug>-load``
  loads the image into Docker or Podman as ``<slug>:latest``;
``bottle-<slug>-why``
  says why the last build ran what it ran;
``bottle-<slug>-push``
  sends image and pack to the registries of ``PUSH`` and ``PUSH_PACK``; only
  what the registry lacks is sent, and nothing is asked if nothing changed;
``bottles``, ``bottles-push``
  all packs; all pushes;
``bottle-lock``
  brings the locks of all bottles up to date (``bottle-lock update``). It is
  part of nothing else: a build never changes a lock.

Example::

  add_executable(hello hello.c)
  target_link_options(hello PRIVATE -static)
  add_bottle(hello
    CONTEXTS app=target:hello     # Dockerfile: COPY --from=app hello /hello
    MEMORY 512)

Since 0.1
#]=======================================================================]
include_guard(GLOBAL)

function(add_bottle slug)
  set(options EXCLUDE_FROM_ALL)
  set(single DOCKERFILE CONTEXT TARGET LOCK ENGINE PACKER REGISTRY_IMAGE CPUS MEMORY USER SMOLVM_VERSION SHM_SIZE)
  set(multiple NETWORK PLATFORMS BUILD_ARGS CONTEXTS BASES SECRETS SKILLS GATES DEPENDS ENGINE_OPTIONS ULIMITS ADD_HOSTS ENV ENTRYPOINT CMD PUSH PUSH_PACK)
  # Encoded word by word, because a list would tear values apart (BottleArguments.cmake).
  set(arguments "")
  set(index 1)
  while(index LESS ARGC)
    _bottle_encode(word "${ARGV${index}}")
    list(APPEND arguments "${word}")
    math(EXPR index "${index} + 1")
  endwhile()
  cmake_parse_arguments(ARG "${options}" "${single}" "${multiple}" ${arguments})

  _bottle_check_slug(add_bottle "${slug}")
  _bottle_check_variables("add_bottle(${slug})")
  _bottle_network(ARG add_bottle "${slug}")
  _bottle_refuse_unparsed(add_bottle "${slug}" "${options};${single};${multiple}" "${ARG_UNPARSED_ARGUMENTS}"
    "${ARG_KEYWORDS_MISSING_VALUES}")
  get_property(slugs GLOBAL PROPERTY _BOTTLE_SLUGS)
  if(slug IN_LIST slugs)
    get_property(place GLOBAL PROPERTY _BOTTLE_PLACE_OF_${slug})
    message(FATAL_ERROR "add_bottle(${slug}): there is a bottle of this name already, from ${place}")
  endif()
  if(slug STREQUAL "lock")
    message(FATAL_ERROR "add_bottle(lock): the target bottle-lock is the one that brings locks up to date; choose another slug")
  endif()
  foreach(suffix IN ITEMS "" -image -oci -load -why -push)
    if(TARGET bottle-${slug}${suffix})
      message(FATAL_ERROR "add_bottle(${slug}): there is a target bottle-${slug}${suffix} already; it may be one of another bottle's")
    endif()
  endforeach()
  if(NOT CMAKE_GENERATOR MATCHES "^(Ninja|Ninja Multi-Config|Unix Makefiles)$")
    message(FATAL_ERROR "add_bottle(${slug}): the generator \"${CMAKE_GENERATOR}\" is not supported; these are: Ninja, Ninja "
      "Multi-Config, Unix Makefiles")
  endif()
  foreach(keyword IN ITEMS BUILD_ARGS ENV)
    foreach(word IN LISTS ARG_${keyword})
      if(NOT word MATCHES "^[^=]+=")
        _bottle_decode(word "${word}")
        message(FATAL_ERROR "add_bottle(${slug}): ${keyword} \"${word}\" is not of the form name=value")
      elseif(word MATCHES "^[^=]*\\$<")
        _bottle_decode(word "${word}")
        message(FATAL_ERROR "add_bottle(${slug}): ${keyword} \"${word}\": a generator expression can be in the value only, as "
          "NAME=$<IF:$<CONFIG:Debug>,a,b>")
      endif()
    endforeach()
  endforeach()
  _bottle_check_run_settings("add_bottle(${slug})")
  list(LENGTH ARG_PLATFORMS count)
  if(count GREATER 1)
    list(JOIN ARG_PLATFORMS " " platforms)
    message(FATAL_ERROR "add_bottle(${slug}): PLATFORMS ${platforms}: this version builds one platform a bottle")
  endif()

  foreach(base IN LISTS ARG_BASES)
    list(APPEND ARG_CONTEXTS "${base}=bottle:${base}")
  endforeach()
  if(ARG_SKILLS)
    _bottle_directory(skills "${slug}" bottles)
    list(APPEND ARG_CONTEXTS "skills=path:${skills}/skills")
    list(APPEND ARG_DEPENDS "${skills}/skills.list")
  endif()
  if(ARG_GATES)
    _bottle_gate_environment(addresses "${slug}" ${ARG_GATES})
    list(APPEND ARG_ENV ${addresses})
  endif()
  _bottle_contexts(${slug} CONTEXTS ${ARG_CONTEXTS})
  set(depends "")
  foreach(dependency IN LISTS ARG_DEPENDS)
    _bottle_decode(dependency "${dependency}")
    list(APPEND depends "${dependency}")
  endforeach()
  get_filename_component(context "${ARG_CONTEXT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  if(context STREQUAL CMAKE_BINARY_DIR)
    message(FATAL_ERROR "add_bottle(${slug}): the context is the build tree itself, ${context}; its files change in every build, "
      "so build in a directory of its own")
  endif()
  if(ARG_CONTEXT AND NOT depends)
    _bottle_absolute(encoded "${ARG_CONTEXT}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
    set_property(GLOBAL APPEND PROPERTY _BOTTLE_DIRECTORIES_OF_${slug} "${encoded}")
  endif()
  if(ARG_DOCKERFILE AND NOT depends)
    _bottle_absolute(encoded "${ARG_DOCKERFILE}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
    set_property(GLOBAL APPEND PROPERTY _BOTTLE_DOCKERFILE_OF_${slug} "${encoded}")
  endif()
  set(all ALL)
  if(ARG_EXCLUDE_FROM_ALL)
    set(all "")
  endif()
  if(ARG_LOCK)
    _bottle_absolute(lock "${ARG_LOCK}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
  else()
    _bottle_encode(lock "${BOTTLE_LOCK}")
    if(NOT BOTTLE_LOCK)
      set(lock "")
    endif()
    _bottle_absolute(lock "${lock}" "${PROJECT_SOURCE_DIR}" "bottle.lock")
  endif()
  _bottle_runtime(runtime "add_bottle(${slug})")
  _bottle_write_spec(${slug} "${lock}" "${runtime}")
  _bottle_rules(${slug} "${all}" "${CONTEXTS_BOTTLES}" "${CONTEXTS_FILES}" "${depends}" "${lock}" "${context}" "${runtime}")
  _bottle_push(${slug} "${ARG_PUSH}" "${ARG_PUSH_PACK}")
  if(ARG_SKILLS)
    _bottle_skills(${slug} ${ARG_SKILLS})
  endif()
  foreach(gate IN LISTS ARG_GATES)
    add_dependencies(bottle-${slug} gate-${gate})
  endforeach()
  foreach(gate IN LISTS CONTEXTS_GATES)
    add_dependencies(bottle-${slug}-image _gate-${gate}-files)
  endforeach()
  _bottle_settings(${slug})
  _bottle_register(${slug} "${CONTEXTS_BOTTLES}" "${CONTEXTS_TARGETS}")
endfunction()

# Sets the properties for which add_bottle(), its caller, was given an argument, or which no BOTTLE_* variable has set.
function(_bottle_settings slug)
  if(DEFINED ARG_PLATFORMS)
    set(ARG_PLATFORM "${ARG_PLATFORMS}")
  endif()
  foreach(setting IN ITEMS ENGINE PACKER PLATFORM CPUS MEMORY NETWORK RUN_NETWORK GIT_MODES SMOLVM_VERSION)
    get_property(value TARGET bottle-${slug} PROPERTY BOTTLE_${setting})
    if(DEFINED ARG_${setting})
      _bottle_decode(value "${ARG_${setting}}")
    elseif("${value}" STREQUAL "")  # not set: not even defined
      _bottle_setting_default(value ${setting})
    endif()
    _bottle_check_setting("add_bottle(${slug})" ${setting} "${value}")
    set_property(TARGET bottle-${slug} PROPERTY BOTTLE_${setting} "${value}")
  endforeach()
endfunction()

# NETWORK [machine] [none|host], which may be given without a value: <prefix>_NETWORK becomes TRUE if a machine is to have
# one, <prefix>_RUN_NETWORK what RUN is to have; undefined if nothing is said. With generator expressions the words go on as
# they are, behind the word NETWORK, to the tools, which refuse what is none of them (src/image/model/setting.hpp).
function(_bottle_network prefix function slug)
  set(words "${${prefix}_NETWORK}")
  set(missing "${${prefix}_KEYWORDS_MISSING_VALUES}")
  unset(machine)
  unset(run)
  if(words MATCHES "\\$<")
    set(decoded "")
    foreach(word IN LISTS words)
      _bottle_decode(word "${word}")
      string(APPEND decoded ";${word}")
    endforeach()
    # What no word says is as the variables have it.
    set(${prefix}_NETWORK "NETWORK;${BOTTLE_NETWORK}${decoded}" PARENT_SCOPE)
    set(${prefix}_RUN_NETWORK
      "$<IF:$<IN_LIST:none,${decoded}>,none,$<IF:$<IN_LIST:host,${decoded}>,host,${BOTTLE_RUN_NETWORK}>>" PARENT_SCOPE)
    return()
  endif()
  if("NETWORK" IN_LIST missing)
    list(REMOVE_ITEM missing NETWORK)
    set(machine TRUE)
  endif()
  foreach(word IN LISTS words)
    if(word STREQUAL "machine" AND NOT DEFINED machine)
      set(machine TRUE)
    elseif(word MATCHES "^(none|host)$" AND NOT DEFINED run)
      set(run ${word})
    else()
      _bottle_decode(word "${word}")
      message(FATAL_ERROR "${function}(${slug}): NETWORK \"${word}\": expected \"machine\", for a machine made from the pack, "
        "and one of \"none\" and \"host\", for RUN, each once")
    endif()
  endforeach()
  unset(${prefix}_NETWORK PARENT_SCOPE)
  unset(${prefix}_RUN_NETWORK PARENT_SCOPE)
  if(DEFINED machine)
    set(${prefix}_NETWORK TRUE PARENT_SCOPE)
  endif()
  if(DEFINED run)
    set(${prefix}_RUN_NETWORK ${run} PARENT_SCOPE)
  endif()
  set(${prefix}_KEYWORDS_MISSING_VALUES "${missing}" PARENT_SCOPE)
endfunction()
