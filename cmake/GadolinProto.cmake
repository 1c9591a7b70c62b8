# C++ from .proto files, with the lite runtime: no reflection, no descriptors that could clash with another library's.

# gadolin_proto(folder): every <folder>/proto/*.proto becomes part of the library of that name. Headers are found as
# "<folder>/proto/NAME.pb.h" by its sources only; none is installed, so no public header may include one.
function(gadolin_proto folder)
  set(generated ${PROJECT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${generated})
  file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/proto/*.proto)
  set(sources)
  foreach(proto IN LISTS protos)
    get_filename_component(name ${proto} NAME_WE)
    set(source ${generated}/${folder}/proto/${name}.pb.cc)
    add_custom_command(OUTPUT ${source} ${generated}/${folder}/proto/${name}.pb.h
      COMMAND protobuf::protoc --cpp_out=${generated} -I${PROJECT_SOURCE_DIR} ${proto}
      DEPENDS ${proto} COMMENT "protoc ${folder}/proto/${name}.proto" VERBATIM)
    list(APPEND sources ${source})
  endforeach()
  # Not our text: the house's warnings do not apply.
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS -w)
  target_sources(${folder} PRIVATE ${sources})
  target_include_directories(${folder} SYSTEM PRIVATE ${generated})
endfunction()
