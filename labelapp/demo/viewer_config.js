// Added to the settings of the OHIF viewer: CT, its PET and a segmentation over each other in three planes, and beside
// them the report whose lesions are segments, as text.
(() => {
  const SYNCHRONISED = { source: true, target: true };
  const pane = (orientation) => ({
    viewportOptions: {
      viewportId: `fused-${orientation}`,
      toolGroupId: 'mpr',
      viewportType: 'volume',
      orientation,
      initialImageOptions: { preset: 'middle' },
      syncGroups: [
        { ...SYNCHRONISED, type: 'hydrateseg', id: 'sameFORId', options: { matchingRules: ['sameFOR'] } },
      ],
    },
    displaySets: [
      { id: 'ct' },
      {
        id: 'pet',
        // SUV 0 to 10 g/ml, clear where there is little.
        options: {
          voi: { windowWidth: 10, windowCenter: 5 },
          colormap: {
            name: 'hsv',
            opacity: [
              { value: 0, opacity: 0 },
              { value: 1, opacity: 0.1 },
              { value: 4, opacity: 0.7 },
            ],
          },
        },
      },
      { id: 'lesions' },
    ],
  });
  const series = (modality) => ({
    seriesMatchingRules: [
      { attribute: 'Modality', constraint: { equals: modality }, required: true },
      { attribute: 'isReconstructable', constraint: { equals: { value: true } }, required: true },
    ],
  });
  const of = (modality) => ({
    seriesMatchingRules: [{ attribute: 'Modality', constraint: { equals: modality }, required: true }],
  });
  const protocol = {
    id: 'fdglung.petct',
    name: 'CT with PET',
    locked: true,
    isPreset: true,
    protocolMatchingRules: [],
    imageLoadStrategy: 'nth',
    displaySetSelectors: {
      ct: series('CT'),
      pet: series('PT'),
      lesions: of('SEG'),
      // The PDF may take its place.
      report: {
        seriesMatchingRules: [
          { attribute: 'Modality', constraint: { inclusion: ['SR', 'DOC'] }, required: true },
          { attribute: 'Modality', constraint: { equals: 'SR' }, weight: 5 },
        ],
      },
    },
    stages: [
      {
        id: 'petct',
        name: 'CT with PET',
        viewportStructure: { layoutType: 'grid', properties: { rows: 2, columns: 2 } },
        viewports: [
          ...['axial', 'sagittal', 'coronal'].map(pane),
          { viewportOptions: { viewportId: 'report', viewportType: 'stack' }, displaySets: [{ id: 'report' }] },
        ],
      },
    ],
  };

  // OHIF draws the coordinates of a measurement report and fails on one that refers to segments instead; what is no such
  // report it shows as text, with all numbers.
  const hasCoordinates = (item) =>
    ['SCOORD', 'SCOORD3D'].includes(item?.ValueType) || [item?.ContentSequence ?? []].flat().some(hasCoordinates);
  const showAsText = ({ displaySetsAdded }) =>
    displaySetsAdded
      .filter((one) => one.isImagingMeasurementReport && !hasCoordinates(one.instance))
      .forEach((one) => (one.isImagingMeasurementReport = false));

  window.config.extensions.push({
    id: 'fdglung.petct',
    preRegistration: ({ servicesManager }) => {
      const { displaySetService } = servicesManager.services;
      displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, showAsText);
    },
    getHangingProtocolModule: () => [{ name: 'fdglung.petct', protocol }],
  });
})();
