# What `cmake --install` writes: the static libraries, the headers under include/gadolin, a CMake package and gadolin.pc.
include(CMakePackageConfigHelpers)

# Headers as a user sees them: under include/gadolin, including one another as <gadolin/...>, so that no other folder of ours
# is on a user's path. Copies are made anew when a header changes.
set(GADOLIN_FOLDERS tensor io layers nets data train tasks)
file(GLOB_RECURSE headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/gadolin/*.h)
foreach(folder IN LISTS GADOLIN_FOLDERS)
  file(GLOB_RECURSE found RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  list(APPEND headers ${found})
endforeach()
list(JOIN headers "\n" text)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/headers.txt CONTENT "${text}\n" @ONLY)
list(TRANSFORM headers PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE header_files)
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/headers.stamp
  COMMAND ${CMAKE_COMMAND} -D FROM=${PROJECT_SOURCE_DIR} -D TO=${PROJECT_BINARY_DIR}/include -D LIST=${PROJECT_BINARY_DIR}/headers.txt
    -P ${CMAKE_CURRENT_LIST_DIR}/PublicHeaders.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/headers.stamp
  DEPENDS ${header_files} ${PROJECT_BINARY_DIR}/headers.txt ${CMAKE_CURRENT_LIST_DIR}/PublicHeaders.cmake COMMENT "Headers for users" VERBATIM)
add_custom_target(gadolin_headers ALL DEPENDS ${PROJECT_BINARY_DIR}/headers.stamp)
add_dependencies(gadolin gadolin_headers)
target_include_directories(gadolin INTERFACE $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/gadolin DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)

# --- libraries -------------------------------------------------------------------------------------------------------
set(installed ${GADOLIN_FOLDERS} gadolin gadolin_cpu_libraries gadolin_cuda_libraries gadolin_format_libraries gadolin_image_libraries
  gadolin_process_libraries)
target_compile_features(gadolin INTERFACE cxx_std_20)
set_target_properties(gadolin_cpu_libraries PROPERTIES EXPORT_NAME cpu_libraries)
set_target_properties(gadolin_cuda_libraries PROPERTIES EXPORT_NAME cuda_libraries)
set_target_properties(gadolin_format_libraries PROPERTIES EXPORT_NAME format_libraries)
set_target_properties(gadolin_image_libraries PROPERTIES EXPORT_NAME image_libraries)
set_target_properties(gadolin_process_libraries PROPERTIES EXPORT_NAME process_libraries)
install(TARGETS ${installed} EXPORT GadolinTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT dev)

# --- CMake package ---------------------------------------------------------------------------------------------------
set(GADOLIN_CONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Gadolin)
install(EXPORT GadolinTargets NAMESPACE Gadolin:: DESTINATION ${GADOLIN_CONFIG_DIR} COMPONENT dev)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/GadolinConfig.cmake.in
  ${PROJECT_BINARY_DIR}/GadolinConfig.cmake INSTALL_DESTINATION ${GADOLIN_CONFIG_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/GadolinConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/GadolinConfig.cmake ${PROJECT_BINARY_DIR}/GadolinConfigVersion.cmake
  DESTINATION ${GADOLIN_CONFIG_DIR} COMPONENT dev)

# --- pkg-config ------------------------------------------------------------------------------------------------------
# Only static libraries exist, so what they need stands in Libs: no --static to be forgotten.
set(pc_cflags "-std=c++20 -pthread")
set(pc_libs "-ljpeg -lpng -lz -lprotobuf-lite -lpugixml -pthread -ldl")
if(LIBDEFLATE_LIBRARY)
  string(APPEND pc_libs " ${LIBDEFLATE_LIBRARY}")
endif()
if(GADOLIN_OPENMP)
  string(APPEND pc_cflags " ${OpenMP_CXX_FLAGS}")
  string(APPEND pc_libs " ${OpenMP_CXX_FLAGS}")
endif()
if(GADOLIN_ONEDNN)
  string(APPEND pc_cflags " -DGADOLIN_ONEDNN=1")
  string(APPEND pc_libs " ${DNNL_LIBRARY}")
endif()
if(GADOLIN_WITH_DICOM)
  string(REPLACE ";" " " pc_dicom "${GADOLIN_DICOM_LIBRARIES}")
  string(APPEND pc_libs " ${pc_dicom}")
endif()
if(GADOLIN_WITH_DATABASE)
  string(REPLACE ";" " " pc_database "${GADOLIN_DATABASE_LIBRARIES}")
  string(APPEND pc_libs " ${pc_database}")
endif()
if(GADOLIN_WITH_MPI)
  string(REPLACE ";" " " pc_mpi "${GADOLIN_MPI_LIBRARIES}")
  string(APPEND pc_libs " ${pc_mpi}")
endif()
if(GADOLIN_WITH_CUDA)
  string(APPEND pc_cflags " -DGADOLIN_CUDA=1")
  string(APPEND pc_libs " -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -lrt")
endif()
file(RELATIVE_PATH pc_prefix /usr/${CMAKE_INSTALL_LIBDIR}/pkgconfig /usr)
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/gadolin.pc.in ${PROJECT_BINARY_DIR}/gadolin.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gadolin.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
